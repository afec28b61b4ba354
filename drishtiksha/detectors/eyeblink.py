"""EYEBLINK-CNN-LSTM-V1: how eyes look over a video in frames where they are not wide open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, EncodedFrame, FaceRequest, Sample, SequencePlan, Window
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import SkipSample
from drishtiksha.results import FaceBox, GapReason, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

FRAME_STEP = 10
"""Every so many frames one is looked at, as in the checkpoint's training."""
REFERENCE_WIDTH = 640
"""px of a frame at whose width sizes are meant."""
HALVE_FROM = 2 * REFERENCE_WIDTH
"""Frames whose longer side has at least so many px are searched for faces at half size."""
NOTE = (
    "Every 10th frame was looked at, so that most blinks, which last 0.1 to 0.4 s, fall between the samples: blinks_seen "
    "is a lower bound, and few blinks seen are no evidence. The published threshold of this detector, an eye aspect ratio "
    "below {threshold:g}, holds for almost every open eye and is no blink threshold; blinks are counted below 0.2."
)
TOO_FEW = "It needs {length} sampled frames that show the eyes of a large enough face; every 10th frame is sampled."


class EyeblinkConfig(DetectorConfig):
    sequence_length: int = Field(default=10, gt=0, description="frames that are judged together")
    blink_threshold: float = Field(default=0.45, gt=0, description="eye aspect ratio below which a frame is kept")
    consecutive_frames: int = Field(default=2, gt=0, description="shorter runs of such frames are dropped")
    min_face_px: int = Field(default=60, gt=0, description="smaller faces are a gap; at a frame width of 640 px")
    backbone: str = Field(default="legacy_xception", description="timm's name; the checkpoint's")
    lstm_hidden_size: int = Field(default=128, gt=0, description="the checkpoint's")


class EyeblinkDetectorV1(Detector):
    """The look of both eyes of the largest face, over runs of frames in which they are not wide open.

    Paper: none is named; blinking as a cue goes back to Li, Chang & Lyu, WIFS 2018, arXiv:1806.02877. Checkpoint:
    `EyeBlink-CNN-LSTM-v1.pth` of the Drishtiksha server, trained on dlib's landmarks. Polarity: a REAL logit, turned
    round here. The reference answers REAL 0.51 with too few frames: wrong; here that is a gap. It calls eyes below 0.45
    a blink: wrong; such frames are taken for the score, as published, while blinks are counted below 0.2.
    """

    Config = EyeblinkConfig

    def sampling(self, media: MediaInfo) -> SequencePlan:
        faces = FaceRequest("blazeface", halve_from=HALVE_FROM, landmarks=True, most=1)
        return SequencePlan(lambda total: [list(range(0, total, FRAME_STEP))], faces)

    def build(self) -> nn.Module:
        from drishtiksha.networks.eyeblink import EyeblinkNetwork

        return EyeblinkNetwork(self.config.backbone, self.config.lstm_hidden_size)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {key.replace("cnn_base.body.", "backbone.", 1): tensor for key, tensor in state_dict.items()}

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, 160, 160), normalised: both eyes of the largest face. Measures its eye aspect ratio."""
        from drishtiksha.features.eyes import eye_aspect_ratio, eye_crop
        from drishtiksha.networks.eyeblink import preprocess_eyes

        frame, landmarks = _frame_and_landmarks(sample)
        if sample.faces[0].size * REFERENCE_WIDTH / frame.shape[1] < self.config.min_face_px:
            raise SkipSample(GapReason.FACE_TOO_SMALL)
        crop, _ = eye_crop(frame, landmarks)
        if not crop.size:
            raise SkipSample(GapReason.NO_FACE)
        sample.measures["ear"] = eye_aspect_ratio(landmarks)
        return [preprocess_eyes(crop)]

    def features(self, batch: Tensor) -> Tensor:
        """(B, 2048): the last feature map, averaged over its places."""
        network: Any = self.network
        return network.maps(batch).mean(dim=(2, 3))

    def windows(self, frames: Sequence[EncodedFrame]) -> list[Window]:
        """Runs of frames below the published threshold, one after the other; frames without a face break no run."""
        from drishtiksha.features.eyes import runs

        low = [frame.measures["ear"] < self.config.blink_threshold for frame in frames]
        kept = [i for run in runs(low) if len(run) >= self.config.consecutive_frames for i in run]
        length = self.config.sequence_length
        return [Window(tuple(kept[i : i + length])) for i in range(len(kept) - length + 1)]

    def forward(self, batch: Tensor) -> Tensor:
        """Fake logits (B,) of sequences (B, L, 2048); the checkpoint itself gives REAL logits."""
        return -self.network(batch)

    def score_alone(self, batch: Tensor) -> np.ndarray:
        return self.score(self._repeated(self.encode(batch)))

    def frame_metrics(self, frames: Sequence[EncodedFrame]) -> Mapping[str, float | int | None]:
        """Frames with eyes, their median eye aspect ratio, and blinks seen in them, with the rate that makes."""
        from drishtiksha.features.eyes import blinks_seen

        ears = [frame.measures["ear"] for frame in frames]
        blinks, rate = blinks_seen([frame.time_s for frame in frames], ears)
        median = float(np.median(ears)) if ears else None
        facts: dict[str, float | int | None] = {"frames_with_eyes": len(frames), "median_eye_aspect_ratio": median}
        return facts | {"blinks_seen": blinks, "blinks_seen_per_minute": rate}

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        p_fake = scoring.mean_p_fake(scores)
        note = NOTE.format(threshold=self.config.blink_threshold)
        few = () if p_fake is not None else (TOO_FEW.format(length=self.config.sequence_length),)
        return Aggregate(p_fake, scoring.tally(scores, "sequence"), (note, *few))

    def region(self, sample: Sample, face: int | None) -> FaceBox:
        from drishtiksha.features.eyes import eye_crop

        return eye_crop(*_frame_and_landmarks(sample))[1]

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        import torch

        from drishtiksha.explain.gradcam import gradcam

        network: Any = self.network
        # cuDNN differentiates recurrent layers only while training.
        with torch.backends.cudnn.flags(enabled=False):
            maps = gradcam(
                network.maps,
                lambda maps: self.forward(self._repeated(maps.mean(dim=(2, 3)))),
                tensor[None].to(self._device()),
            )
        return maps[0], "gradcam"

    def _repeated(self, features: Tensor) -> Tensor:
        """(B, 2048) as sequences (B, L, 2048) of the same frame."""
        return features[:, None].repeat(1, self.config.sequence_length, 1)


def _frame_and_landmarks(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """The frame and the landmarks (68, 2) of its largest face."""
    assert sample.frame is not None
    assert sample.faces[0].landmarks is not None
    return sample.frame, sample.faces[0].landmarks
