"""EFFICIENTNET-B7-V1: each face by itself, with the network that won the DeepFake Detection Challenge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha.contract import Aggregate, DetectorConfig, FaceRequest, FramePlan, Sample
from drishtiksha.detectors.base import Detector
from drishtiksha.results import FaceBox, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

THRESHOLDS = (0.7, 0.8, 0.8)
"""The author's, of MTCNN's three networks."""
HALVE_FROM = 1001
"""The author found the faces to train on at half size where the longer side of a video has more than 1000 px."""
SURE_FAKE, SURE_REAL = 0.8, 0.2
MIN_SURE_FAKES, FAKE_SHARE, REAL_SHARE = 12, 1 / 2.5, 0.9
"""The author's confident strategy: so many faces, and more than these shares of all, decide without the others."""


class EfficientNetB7Config(DetectorConfig):
    frames: PositiveInt | Literal["all"] = Field(default=32, description="evenly spaced frames of a video, or all")
    min_face_px: int = Field(default=40, gt=0, description="smaller faces are a gap; the author's code finds none")
    input_size: int = Field(default=380, gt=0, description="side of the square the network looks at, px")
    architecture: str = Field(default="tf_efficientnet_b7", description="the timm network of the checkpoint")
    batch_size: int = Field(default=2, gt=0, description="faces at a time; more are slower on a CPU")


class EfficientNetB7Detector(Detector):
    """Texture of each face, frame by frame.

    S. Seferbekov, first of the DeepFake Detection Challenge 2020 (data: Dolhansky et al., arXiv:2006.07397).
    Checkpoint: any of the releases of github.com/selimsef/dfdc_deepfake_challenge, tag 0.0.1. Polarity: logit above 0
    is fake. The reference server feeds BGR to a network that learned from RGB, and counts frames without a face as
    real: wrong; here RGB, and such frames are gaps. It looks at every frame; 32 are the author's setting.
    """

    Config = EfficientNetB7Config
    fold_batch_norms = True

    def sampling(self, media: MediaInfo) -> FramePlan:
        faces = FaceRequest("mtcnn", self.config.min_face_px, thresholds=THRESHOLDS, halve_from=HALVE_FROM)
        return self.frames(None if self.config.frames == "all" else self.config.frames, faces=faces)

    def build(self) -> nn.Module:
        from drishtiksha.networks.dfdc_efficientnet import DFDCNetwork

        return DFDCNetwork(self.config.architecture)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Without the ImageNet classifier, which is never used."""
        return {key: tensor for key, tensor in state_dict.items() if not key.startswith("encoder.classifier.")}

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, input_size, input_size) per face, RGB, normalised as for ImageNet."""
        from drishtiksha.networks.dfdc_efficientnet import centred_on_black, normalised

        assert sample.frame is not None
        boxes = [self._box(sample, face) for face in range(len(sample.faces))]
        crops = [sample.frame[y0:y1, x0:x1] for x0, y0, x1, y1 in boxes]
        return [normalised(centred_on_black(crop, self.config.input_size)) for crop in crops]

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        """The author's confident strategy over the faces of all frames."""
        faces = np.array([face.p_fake for score in scores for face in score.faces])
        metrics: dict[str, float | int | str | None] = {
            "faces_found": len(faces),
            "frames_with_a_face": sum(bool(score.faces) for score in scores),
        }
        if not len(faces):
            return Aggregate(None, metrics)
        fake, real = faces > SURE_FAKE, faces < SURE_REAL
        strategy, chosen = "mean of all faces", np.full(len(faces), True)
        if fake.sum() >= MIN_SURE_FAKES and fake.mean() > FAKE_SHARE:
            strategy, chosen = "mean of the faces that are surely fake", fake
        elif real.mean() > REAL_SHARE:
            strategy, chosen = "mean of the faces that are surely real", real
        metrics |= {"strategy": strategy, "highest_face_p_fake": float(faces.max())}
        return Aggregate(float(faces[chosen].mean()), metrics)

    def region(self, sample: Sample, face: int | None) -> FaceBox | None:
        """The square that the network saw, black borders included."""
        from drishtiksha.faces.crop import square_around

        return None if face is None else square_around(self._box(sample, face), margin=0)

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        network: Any = self.network
        return self.raised(tensor, network.encoder.forward_features, network.judge)

    def _box(self, sample: Sample, face: int) -> tuple[int, int, int, int]:
        from drishtiksha.networks.dfdc_efficientnet import wide_box

        assert sample.frame is not None
        return wide_box(sample.faces[face].box, *sample.frame.shape[:2])
