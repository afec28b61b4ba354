"""B-FREE: whole pictures at their own size, in five windows."""

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

PATCH_PX = 14
"""Side of what becomes one token; windows lie on whole patches."""


class BFreeConfig(DetectorConfig):
    architecture: str = Field(default="vit_base_patch14_reg4_dinov2", description="`arch` of the authors' config.yaml")
    window_px: PositiveInt = Field(default=504, multiple_of=PATCH_PX, description="side of a window")
    crops: Literal[1, 5] = Field(default=5, description="5 as published, 24 s on one core; 1: the middle alone, 5 s")
    depth: PositiveInt | None = Field(default=None, description="fewer layers than the architecture's, for tests")
    batch_size: int = Field(default=1, gt=0, description="pictures at a time, each of several windows")


class BFreeDetector(SquaresDetector):
    """Traces of a generator in the picture as it is, learned so that its subject does not matter.

    Guillaro et al., CVPR 2025, arXiv:2412.17671. Checkpoint: `model_epoch_best.pth` in BFREE_dino2reg4.zip of the authors.
    Polarity: logit above 0 is fake. The score is that of the mean of the windows' logits. Of a picture with a side
    smaller than a window there is one window, in which it is repeated, as in the authors' code: the rest of a long one is not
    seen.
    """

    Config = BFreeConfig
    together: ClassVar[Literal["highest", "mean"]] = "mean"

    def sampling(self, media: MediaInfo) -> FramePlan:
        return FramePlan(count=1)

    def build(self) -> nn.Module:
        from drishtiksha.networks.picture_transformer import PictureTransformer

        return PictureTransformer(self.config.architecture, self.config.window_px, self.config.depth)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.picture_transformer import under_vit

        return under_vit(state_dict, "vit.")

    def cut(self, frame: np.ndarray) -> list[tuple[np.ndarray, FaceBox]]:
        """Middle, top left, bottom left, bottom right, top right; one where all are the same. `frame` of any type."""
        side, (height, width) = self.config.window_px, frame.shape[:2]
        tiled = _tiled(frame, side)
        bottom, right = ((length - side) // PATCH_PX for length in tiled.shape[:2])
        places = [(right // 2, bottom // 2), (0, 0), (0, bottom), (right, bottom), (right, 0)][: self.config.crops]
        corners = [(x * PATCH_PX, y * PATCH_PX) for x, y in (places if len(set(places)) > 1 else places[:1])]
        boxes = [(float(x), float(y), float(min(x + side, width)), float(min(y + side, height))) for x, y in corners]
        return [(tiled[y : y + side, x : x + side], box) for (x, y), box in zip(corners, boxes, strict=True)]

    def shown(self, values: np.ndarray, box: FaceBox) -> np.ndarray:
        """The part of a window that shows the picture for the first time."""
        return values[: int(box[3] - box[1]), : int(box[2] - box[0])]

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        return Aggregate(scoring.mean_p_fake(scores), self.told([score.measures for score in scores]))


def _tiled(frame: np.ndarray, side: int) -> np.ndarray:
    """The frame cut to whole patches; where a side is smaller than `side`, one window of it, repeated as far as needed."""
    height, width = (max(length // PATCH_PX, 1) * PATCH_PX for length in frame.shape[:2])
    if min(frame.shape[:2]) < PATCH_PX:  # not one whole patch: what there is, again and again
        frame = np.pad(frame, [(0, max(PATCH_PX - length, 0)) for length in frame.shape[:2]] + [(0, 0)], mode="wrap")
    frame = frame[:height, :width]
    if min(height, width) >= side:
        return frame
    return np.tile(frame, (-(-side // height), -(-side // width), 1))[:side, :side]
