"""What detectors share that judge a picture by one or several squares cut out of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from drishtiksha.contract import Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.results import FaceBox, Heatmap, SampleScore

if TYPE_CHECKING:
    from torch import Tensor


class SquaresDetector(Detector):
    """Every square is judged by itself by a vision transformer; the highest score counts, or the mean of the logits."""

    scaling: ClassVar[Literal["IMAGENET", "CLIP", "HALVES"]] = "IMAGENET"
    together: ClassVar[Literal["highest", "mean"]] = "highest"

    @abstractmethod
    def cut(self, frame: np.ndarray) -> list[tuple[np.ndarray, FaceBox]]:
        """The squares (S, S, 3) of a picture uint8 RGB (H, W, 3), each with its place, xyxy px. The first is the published
        way's."""

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (N, 3, S, S), RGB, normalised."""
        import torch

        from drishtiksha.networks import pixels

        assert sample.frame is not None
        scaling = getattr(pixels, self.scaling)
        return [torch.stack([pixels.scaled(square, scaling) for square, _ in self.cut(sample.frame)])]

    def detailed(self, batch: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Fake logits (B,) of pictures (B, N, 3, S, S), which square has the highest, and p_fake of the first and of that."""
        each = self.network(batch.flatten(0, 1)).unflatten(0, batch.shape[:2]).float()
        logits = each.amax(dim=1) if self.together == "highest" else each.mean(dim=1)
        told = {"square": each.argmax(dim=1)}
        if each.shape[1] > 1:
            told |= {"middle_p_fake": each[:, 0].sigmoid(), "highest_square_p_fake": each.amax(dim=1).sigmoid()}
        return logits, told

    def forward(self, batch: Tensor) -> Tensor:
        return self.detailed(batch)[0]

    def score_alone(self, batch: Tensor) -> np.ndarray:
        """p_fake (B,) of single squares (B, 3, S, S)."""
        return self.score(batch[:, None])

    def told(self, measures: Sequence[Mapping[str, float]]) -> dict[str, float | int | str | None]:
        """Means over the samples of what `detailed` says of each, for the metrics."""
        found: dict[str, float | int | str | None] = {}
        for name in ("middle_p_fake", "highest_square_p_fake"):
            if values := [one[name] for one in measures if name in one]:
                found[name] = float(np.mean(values))
        return found

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """Of the square with the highest score: what the transformer attended to."""
        from drishtiksha.explain.maps import to_heatmap

        assert sample.frame is not None
        square = int(score.measures["square"])
        box = self.cut(sample.frame)[square][1]
        tensor = self.preprocess(sample)[0][square]
        values, method = self.importance(tensor) if self.config.explain == "auto" else Detector.importance(self, tensor)
        return [to_heatmap(self.shown(values, box), sample, score, method, face=None, region=box)]

    def shown(self, values: np.ndarray, box: FaceBox) -> np.ndarray:
        """The part of a square's map that lies in `box`: all of it, unless a detector repeats or pads small pictures."""
        return values

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        return self.attended(tensor)
