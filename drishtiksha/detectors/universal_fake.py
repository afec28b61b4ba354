"""UNIVERSAL-FAKE-DETECT: the middle of a picture, by CLIP as it was published and one linear layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, FramePlan
from drishtiksha.detectors.squares_base import SquaresDetector
from drishtiksha.results import FaceBox, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDE_PX = 224


class UniversalFakeConfig(DetectorConfig):
    native_grid: int = Field(
        default=0,
        ge=0,
        description="so many by so many further squares of 224 px are judged, and the highest score counts; 0: as published",
    )
    width: PositiveInt = Field(default=1024, description="of CLIP ViT-L/14, as published")
    layers: PositiveInt = Field(default=24)
    heads: PositiveInt = Field(default=16)
    projection: PositiveInt = Field(default=768)
    batch_size: int = Field(default=4, gt=0, description="pictures at a time")


class UniversalFakeDetector(SquaresDetector):
    """Whether CLIP, which never learned of fakes, places the middle of a picture among generated ones.

    Ojha et al., CVPR 2023, arXiv:2302.10174. Checkpoint: `fc_weights.pth` of github.com/WisconsinAIVision/UniversalFakeDetect;
    the companion `clip` is CLIP ViT-L/14, under the key names of transformers or of OpenAI. Polarity: logit above 0 is fake.
    """

    Config = UniversalFakeConfig
    scaling: ClassVar[Literal["IMAGENET", "CLIP", "HALVES"]] = "CLIP"

    def sampling(self, media: MediaInfo) -> FramePlan:
        return FramePlan(count=1)

    def build(self) -> nn.Module:
        from drishtiksha.networks.universal_fake import UniversalFakeNetwork

        config = self.config
        return UniversalFakeNetwork(config.width, config.layers, config.heads, config.projection)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {f"fc.{key}" if key in ("weight", "bias") else key: tensor for key, tensor in state_dict.items()}

    def merge(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.universal_fake import image_tower

        tower = image_tower(self.read_companion("clip"))
        return dict(state_dict) | {f"clip.{key}": tensor for key, tensor in tower.items()}

    def cut(self, frame: np.ndarray) -> list[tuple[np.ndarray, FaceBox]]:
        """The middle 224 px, never resized, amid black where the picture is smaller; then further squares, if asked for."""
        from drishtiksha.networks.pixels import middle, middle_box, squares

        height, width = frame.shape[:2]
        boxes = squares(height, width, SIDE_PX, self.config.native_grid)
        further = [(frame[y0:y1, x0:x1], (float(x0), float(y0), float(x1), float(y1))) for x0, y0, x1, y1 in boxes]
        return [(middle(frame, SIDE_PX), middle_box(height, width, SIDE_PX)), *further]

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        told = self.told([score.measures for score in scores])
        return Aggregate(
            scoring.mean_p_fake(scores), told, ("Only squares of 224 px were looked at, not the whole picture.",)
        )
