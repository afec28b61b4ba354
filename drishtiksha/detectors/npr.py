"""NPR: what the enlarging steps of a generator leave between neighbouring pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, FramePlan, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.results import FaceBox, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn


class NPRConfig(DetectorConfig):
    resize_to: PositiveInt | None = Field(
        default=None,
        description="side of a square that pictures are resized to, as the authors do with sets of mixed sizes; None: the "
        "picture's own size, since resizing wipes out what is looked for",
    )
    most_px: int = Field(
        default=1536, ge=2, description="longest side that is looked at; of larger pictures the middle, never resized"
    )
    batch_size: int = Field(default=1, gt=0, description="pictures at a time")


class NPRDetector(Detector):
    """Differences of neighbouring pixels over the whole picture, at its own size.

    Tan et al., CVPR 2024, arXiv:2312.10461. Checkpoint: `NPR.pth` of github.com/chuangchuangtan/NPR-DeepfakeDetection.
    Polarity: logit above 0 is fake. The authors' code fails on odd sides: here the last row or column is left out, as their
    README advises.
    """

    Config = NPRConfig

    def sampling(self, media: MediaInfo) -> FramePlan:
        return FramePlan(count=1)

    def build(self) -> nn.Module:
        from drishtiksha.networks.npr import NPRNetwork

        return NPRNetwork()

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, H, W), RGB, sides even, normalised as for ImageNet."""
        from drishtiksha.networks.pixels import IMAGENET, resized, scaled

        assert sample.frame is not None
        if self.config.resize_to:
            return [scaled(resized(sample.frame, self.config.resize_to, self.config.resize_to), IMAGENET)]
        x0, y0, x1, y1 = self._box(sample)
        part = sample.frame[y0:y1, x0:x1]
        sample.measures["share_looked_at"] = part.size / sample.frame.size
        return [scaled(np.pad(part, [(0, side % 2) for side in part.shape[:2]] + [(0, 0)], mode="edge"), IMAGENET)]

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        share = scores[0].measures.get("share_looked_at", 1.0) if scores else 1.0
        note = f"The picture is large: only its middle was looked at, {share:.0%} of it."
        return Aggregate(scoring.mean_p_fake(scores), notes=(note,) if share < LARGEST_LOSS else ())

    def region(self, sample: Sample, face: int | None) -> FaceBox | None:
        x0, y0, x1, y1 = self._box(sample)
        return None if self.config.resize_to else (float(x0), float(y0), float(x1), float(y1))

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        network: Any = self.network
        return self.raised(tensor, network.maps, network.judge)

    def _box(self, sample: Sample) -> tuple[int, int, int, int]:
        """The part that is looked at, xyxy px: the middle, of even sides where the picture has two rows and columns."""
        assert sample.frame is not None
        height, width = sample.frame.shape[:2]
        tall, wide = (max(min(side, self.config.most_px) // 2 * 2, 1) for side in (height, width))
        # From an even row and column on, where the picture's own lattice begins.
        top, left = (height - tall) // 4 * 2, (width - wide) // 4 * 2
        return left, top, left + wide, top + tall


LARGEST_LOSS = 0.99
"""Below this share of the picture a reader is told; a row and a column are no loss."""
