"""COMMUNITY-FORENSICS-384 and -224: the whole picture, and parts of it at their own size, by a vision transformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, FramePlan
from drishtiksha.detectors.squares_base import SquaresDetector
from drishtiksha.results import FaceBox, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn


class CommunityForensicsConfig(DetectorConfig):
    architecture: str = Field(default="vit_small_patch16_384", description="the timm network of the checkpoint")
    input_size: PositiveInt = Field(default=384, description="side of the network's input, px")
    shorter_side: PositiveInt = Field(
        default=440, description="pictures are resized to it before their middle is cut out"
    )
    native_grid: int = Field(
        default=2,
        ge=0,
        description="so many by so many squares of input_size are cut from the picture at its own size as well, and the "
        "highest score counts; 0: the published way, the resized middle alone",
    )
    num_frames: PositiveInt = Field(default=8, description="evenly spaced frames of a video")
    batch_size: int = Field(default=4, gt=0, description="pictures at a time, each of several squares")


class CommunityForensicsDetector(SquaresDetector):
    """Traces of a generator in whole pictures, learned from some 4,800 generators.

    Park & Owens, CVPR 2025, arXiv:2411.04125. Checkpoint: `model.safetensors` of huggingface.co/OwensLab/commfor-model-384
    or -224. Polarity: logit above 0 is fake. Published is the resized middle alone, which loses the edges of a wide picture
    and the fine detail of a large one: here squares at the picture's own size are judged as well, and the highest counts.
    Both are told. Frames of a video are our addition: the mean over them.
    """

    Config = CommunityForensicsConfig

    def sampling(self, media: MediaInfo) -> FramePlan:
        return self.frames(self.config.num_frames)

    def build(self) -> nn.Module:
        from drishtiksha.networks.picture_transformer import PictureTransformer

        return PictureTransformer(self.config.architecture, self.config.input_size)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.picture_transformer import under_vit

        return under_vit(state_dict, "_orig_mod.", "vit.")

    def cut(self, frame: np.ndarray) -> list[tuple[np.ndarray, FaceBox]]:
        """The resized middle, then squares at the picture's own size; the middle alone where it is smaller than these."""
        from drishtiksha.networks.pixels import middle, middle_box, shorter_side, squares

        side, (height, width) = self.config.input_size, frame.shape[:2]
        scale = min(height, width) / self.config.shorter_side
        resized = middle(shorter_side(frame, self.config.shorter_side), side)
        boxes = squares(height, width, side, self.config.native_grid)
        native = [(frame[y0:y1, x0:x1], (float(x0), float(y0), float(x1), float(y1))) for x0, y0, x1, y1 in boxes]
        return [(resized, middle_box(height, width, side * scale)), *native]

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        told = self.told([score.measures for score in scores if score.p_fake is not None])
        return Aggregate(scoring.mean_p_fake(scores), scoring.tally(scores, "frame") | told)
