"""SYNCNET: whether the mouth moves with the voice, and how far apart they are. It measures and concludes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, ClipPlan, DetectorConfig, FaceRequest, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.lip_agreement import agreement_in_words
from drishtiksha.results import FaceBox, GapReason, Heatmap, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

FPS, USUAL_FPS = 25, 25.0
LOOK_EVERY = 5
"""Frames between two in which the face is looked for; between them its box moves evenly."""
SAME_FACE = 0.3
"""Overlap of two boxes, as a share of both together, from which they are one face in two frames."""
AROUND_S = 0.6
"""Of sound, before and after a stretch: as far as lips and voice may be apart."""


class SyncNetConfig(DetectorConfig):
    stretches: PositiveInt = Field(default=8, description="evenly spread over the video")
    stretch_s: float = Field(default=2.0, ge=1, le=4, description="length of one")
    min_face_px: PositiveInt = 100
    most_faces: PositiveInt = Field(default=2, description="the one that agrees best with the voice counts")
    box_scale: float = Field(
        default=1.2,
        gt=0,
        description="our boxes end at the brows, those it learned from at the hair; ours, not measured",
    )
    batch_size: int = Field(default=1, gt=0)
    channels: tuple[int, int, int] = Field(default=(96, 256, 512), description="of the published network")
    embedding: PositiveInt = 1024


class SyncNetDetector(Detector):
    """Lips against voice: how far their vectors lie apart, for shifts of up to 15 frames.

    Paper: Chung & Zisserman, "Out of time", ACCV workshops 2016. Checkpoint: `syncnet_v2.model` of VGG Oxford, in the
    network's own names. Polarity: none; it learned from genuine talking heads alone and knows no fakes, and tools that make lips
    fit a voice are trained against it. Without a calibration beside the checkpoint its samples are measured, never scored. A
    positive offset: the sound comes before its lips. Faces are looked for in every fifth frame; the finder is not the authors'.
    """

    Config = SyncNetConfig

    def sampling(self, media: MediaInfo) -> ClipPlan:
        from drishtiksha.features.lip_sync import heard, speechless

        fps = (media.fps if media is not None else None) or USUAL_FPS
        places = tuple(dict.fromkeys(round(number * fps / FPS) for number in range(self._frames)))
        request = FaceRequest(min_size=self.config.min_face_px, most=self.config.most_faces)
        count = self.config.stretches
        sound: dict[str, Any] = {"listen": heard, "silent": speechless, "around_s": AROUND_S}
        return ClipPlan(count, places[-1] + 1, offsets=places, faces=request, **sound)

    def build(self) -> nn.Module:
        from drishtiksha.networks.syncnet import LipsAndVoice

        return LipsAndVoice(self.config.channels, self.config.embedding)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 a face: its crops (N, 3, 224, 224) BGR in 0..255, then the cepstrum (13, steps), all in one row."""
        import torch

        from drishtiksha.features.lip_sync import around, face_square, smoothed
        from drishtiksha.networks.syncnet import steps_needed

        shown = len(sample.frames) / max((sample.end_s or 0.0) - (sample.time_s or 0.0), 1e-6)
        places = (round(number * shown / FPS) for number in range(self._frames))
        frames = [sample.frames[min(place, len(sample.frames) - 1)] for place in places]
        assert sample.sound is not None
        needed = steps_needed(self._frames)
        sound = torch.from_numpy(around(sample.sound, sample.time_s or 0.0, AROUND_S, needed)).flatten()
        tensors = []
        for face in sample.faces:
            tracked = smoothed(self._follow(frames, face.box))
            tracked[:, 0] *= self.config.box_scale
            crops = [face_square(frame, *where)[..., ::-1] for frame, where in zip(frames, tracked, strict=True)]
            pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().flatten()
            tensors.append(torch.cat([pixels, sound]))
        return tensors

    def forward(self, batch: Tensor) -> Tensor:
        return self.detailed(batch)[0]

    def detailed(self, batch: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The negative of the confidence (B,); the offset in ms, the distance and the confidence."""
        import torch

        from drishtiksha.networks.syncnet import COEFFICIENTS, CROP_PX, steps_needed

        network: Any = self.network
        pixels = self._frames * 3 * CROP_PX**2
        measured = [
            network.measure(
                one[:pixels].view(self._frames, 3, CROP_PX, CROP_PX),
                one[pixels:].view(COEFFICIENTS, steps_needed(self._frames)),
            )
            for one in batch
        ]
        offset, distance, confidence = (torch.stack(values) for values in zip(*measured, strict=True))
        return -confidence, {"offset_ms": offset * 1000 / FPS, "distance": distance, "confidence": confidence}

    def unjudged(self) -> GapReason | None:
        return None if self._sidecar is not None and self._sidecar.calibration else GapReason.NOT_CALIBRATED

    def foremost(self, p_fakes: Sequence[float], measures: Sequence[Mapping[str, float]]) -> int:
        """The face that agrees best with the voice is the one that speaks."""
        return max(range(len(measures)), key=lambda i: measures[i]["confidence"])

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """Of the whole: the middle of what was measured, in words; p_fake where it is calibrated."""
        metrics, notes = agreement_in_words(scores)
        return Aggregate(scoring.mean_p_fake(scores), metrics, notes)

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """None: what was measured belongs to a stretch of film, to no place in it."""
        return []

    @property
    def _frames(self) -> int:
        return round(self.config.stretch_s * FPS)

    def _follow(self, frames: Sequence[np.ndarray], box: FaceBox) -> list[FaceBox | None]:
        """The box of one face in every frame where it was looked for and found; `box` is that of the middle one."""
        from drishtiksha.analysis.faces import find_faces
        from drishtiksha.people import overlap

        middle, request = len(frames) // 2, FaceRequest(min_size=self.config.min_face_px // 2)
        boxes: list[FaceBox | None] = [None] * len(frames)
        boxes[middle] = box
        for step in (-LOOK_EVERY, LOOK_EVERY):
            last = np.array(box)
            for place in range(middle + step, -1 if step < 0 else len(frames), step):
                found = find_faces(frames[place], request)[0]
                shared = [(float(overlap(np.array(face.box), last)), face.box) for face in found]
                share, nearest = max(shared, default=(0.0, box))
                if share >= SAME_FACE:
                    boxes[place], last = nearest, np.array(nearest)
        return boxes
