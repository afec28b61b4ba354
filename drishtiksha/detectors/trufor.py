"""TRUFOR: where a picture was edited, with how far that can be relied on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, FramePlan, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import SkipSample
from drishtiksha.results import FaceBox, GapReason, Heatmap, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

Box = tuple[int, int, int, int]
LEAST_PX = 32
"""Smaller pictures leave nothing of the network's last stage."""


class TruForConfig(DetectorConfig):
    tile_px: PositiveInt = Field(default=1024, ge=LEAST_PX, description="longest side that is looked at in one piece")
    tiles: PositiveInt = Field(
        default=2,
        description="so many by so many pieces of larger pictures, spread from edge to edge; 77 s each on one core",
    )
    depths: tuple[int, int, int, int] = Field(
        default=(3, 4, 6, 3), description="blocks of the four stages, as published"
    )
    decoder_width: PositiveInt = Field(default=512, description="as published")
    batch_size: int = Field(default=1, gt=0, description="pictures at a time")


class TruForDetector(Detector):
    """Local edits: places whose colours or whose camera's noise differ from the rest of the picture.

    Guillaro et al., CVPR 2023, arXiv:2212.10957. Checkpoint: `weights/trufor.pth.tar` in TruFor_weights.zip of the authors.
    Polarity: logit above 0 is edited. A picture is looked at as it is, since resizing destroys the noise; of one larger than
    `tile_px` pieces are judged by themselves and the highest counts, which is ours: the score of a piece is not the published
    one. The map of edits is shown only as far as it is reliable, and the map of reliability beside it.
    """

    Config = TruForConfig

    def sampling(self, media: MediaInfo) -> FramePlan:
        return FramePlan(count=1)

    def build(self) -> nn.Module:
        from drishtiksha.networks.trufor import TruForNetwork

        return TruForNetwork(depths=self.config.depths, decoder=self.config.decoder_width)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {key.removeprefix("module."): tensor for key, tensor in state_dict.items()}

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (N, 3, H, W): the pieces, RGB divided by 256, as the authors do."""
        import torch

        assert sample.frame is not None
        height, width = sample.frame.shape[:2]
        if min(height, width) < LEAST_PX:
            raise SkipSample(GapReason.PICTURE_TOO_SMALL)
        boxes = self._boxes(height, width)
        sample.measures["pieces"] = len(boxes)
        seen = np.zeros((height, width), bool)
        for x0, y0, x1, y1 in boxes:
            seen[y0:y1, x0:x1] = True
        sample.measures["share_looked_at"] = float(seen.mean())
        pieces = [sample.frame[y0:y1, x0:x1] for x0, y0, x1, y1 in boxes]
        return [torch.stack([torch.from_numpy(piece.copy()).permute(2, 0, 1).float() / 256 for piece in pieces])]

    def forward(self, batch: Tensor) -> Tensor:
        return self.detailed(batch)[0]

    def detailed(self, batch: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Fake logits (B,) of the highest piece, and which that is."""
        import torch

        pieces = batch.flatten(0, 1)  # one at a time: the encoders' memory grows with the pixels
        each = torch.cat([self.network(piece[None]) for piece in pieces]).unflatten(0, batch.shape[:2]).float()
        return each.amax(dim=1), {"piece": each.argmax(dim=1)}

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        measures: Mapping[str, float] = scores[0].measures if scores else {}
        notes = []
        if (pieces := int(measures.get("pieces", 1))) > 1:
            share = measures["share_looked_at"]
            notes.append(
                f"The picture is large: {pieces} pieces of it, {share:.0%} of the whole, were judged by themselves, and the highest "
                "score counts. The published figures are of whole pictures."
            )
        return Aggregate(scoring.mean_p_fake(scores), dict(measures), tuple(notes))

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """Of the piece with the highest score: edits as far as they are reliable, and the reliability."""
        import torch

        from drishtiksha.explain.maps import to_heatmap

        assert sample.frame is not None
        number = int(score.measures["piece"])
        x0, y0, x1, y1 = self._boxes(*sample.frame.shape[:2])[number]
        region: FaceBox = (float(x0), float(y0), float(x1), float(y1))
        network: Any = self.network
        with torch.inference_mode():
            edited, reliability = self._work(network.maps, self.preprocess(sample)[0][number][None])
        sure = reliability[0].float().sigmoid().cpu().numpy()
        edits = edited[0].float().sigmoid().cpu().numpy() * sure
        return [
            to_heatmap(edits, sample, score, "edits", face=None, region=region),
            to_heatmap(sure, sample, score, "reliability", face=None, region=region),
        ]

    def _boxes(self, height: int, width: int) -> list[Box]:
        """The pieces, xyxy px: the whole picture, or so many of one size from edge to edge."""
        tall, wide = min(height, self.config.tile_px), min(width, self.config.tile_px)
        tops, lefts = (_starts(length, part, self.config.tiles) for length, part in ((height, tall), (width, wide)))
        return [(left, top, left + wide, top + tall) for top in tops for left in lefts]


def _starts(length: int, part: int, most: int) -> list[int]:
    """Where parts of a side begin: as many as cover it, and no more than `most`."""
    count = min(-(-length // part), most)
    middle = (length - part) // 2
    return [middle] if count == 1 else [round(start) for start in np.linspace(0, length - part, count)]
