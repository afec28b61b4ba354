"""Any Hugging Face image classifier, on pictures and on the frames of a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, FaceRequest, FramePlan, Sample
from drishtiksha.detectors.hf_base import HFConfig, HFDetector
from drishtiksha.errors import ConfigError
from drishtiksha.results import FaceBox, MediaInfo, SampleScore

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

PROBES = ((48, 64), (64, 48))
"""Heights and widths of two pictures that show whether all pictures become tensors of one size."""


class HFImageConfig(HFConfig):
    look_at: Literal["frame", "faces"] = Field(default="frame", description="whole frames, or each face by itself")
    num_frames: int = Field(default=32, gt=0, description="evenly spaced frames of a video")
    min_face_px: int = Field(default=80, gt=0, description="smaller faces are a gap")
    face_margin: float = Field(default=0.3, ge=0, description="added around a face on each side, in widths of its box")


class HFImageClassifier(HFDetector):
    """A published image classifier, frame by frame: `AutoModelForImageClassification` of Hugging Face transformers.

    Paper, training data and quality are those of the checkpoint: see its card. Checkpoint: a folder, see `HFDetector`.
    Polarity: the labels in `fake_labels` are fake. Frames are prepared by the publisher's own image processor. A video is the
    mean of its frames; with `look_at: faces` the most suspicious person decides.
    """

    Config = HFImageConfig

    def auto_model(self) -> Any:
        from transformers import AutoModelForImageClassification

        return AutoModelForImageClassification

    def auto_processor(self) -> Any:
        from transformers import AutoImageProcessor

        return AutoImageProcessor

    def read_network(self, path: Path) -> nn.Module:
        network = super().read_network(path)
        shapes = {tuple(self._pixels(self._processor, np.zeros((*size, 3), np.uint8)).shape) for size in PROBES}
        if len(shapes) > 1:
            raise ConfigError(
                f"{self.model_name}: {path} makes tensors of several sizes; wanted one that makes one size."
            )
        return network

    def sampling(self, media: MediaInfo) -> FramePlan:
        faces = FaceRequest("blazeface", self.config.min_face_px) if self.config.look_at == "faces" else None
        return self.frames(self.config.num_frames, faces=faces)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, H, W) per face or for the frame, as the model's own image processor makes it."""
        from drishtiksha.faces.crop import face_crop, square_around

        assert sample.frame is not None
        if self.config.look_at == "frame":
            return [self._pixels(self.processor, sample.frame)]
        crops = []
        for face in sample.faces:
            x0, _, x1, _ = square_around(face.box, self.config.face_margin)
            crops.append(face_crop(sample.frame, face.box, round(x1 - x0), self.config.face_margin))
        return [self._pixels(self.processor, crop) for crop in crops]

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        metrics = scoring.tally(scores, "frame")
        if self.config.look_at == "frame":
            return Aggregate(scoring.mean_p_fake(scores), metrics)
        return Aggregate(
            scoring.highest_person(scores), metrics | {"faces_judged": sum(len(score.faces) for score in scores)}
        )

    def region(self, sample: Sample, face: int | None) -> FaceBox | None:
        """What the tensor shows: processors that cut out the middle do not show all of the frame or of the crop."""
        from drishtiksha.faces.crop import square_around

        assert sample.frame is not None
        height, width = sample.frame.shape[:2]
        box = (0.0, 0.0, float(width), float(height))
        if face is not None:
            box = square_around(sample.faces[face].box, self.config.face_margin)
        processor = self.processor
        size, crop = getattr(processor, "size", None) or {}, getattr(processor, "crop_size", None) or {}
        if not getattr(processor, "do_center_crop", False) or not crop or not size.get("shortest_edge"):
            return None if face is None else box
        x0, y0, x1, y1 = box
        scale = min(x1 - x0, y1 - y0) / size["shortest_edge"] / 2
        half_w, half_h = crop["width"] * scale, crop["height"] * scale
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        return cx - half_w, cy - half_h, cx + half_w, cy + half_h

    @staticmethod
    def _pixels(processor: Any, picture: np.ndarray) -> Tensor:
        own = np.array(picture)  # frames are read-only, which torch warns of
        return processor(images=own, return_tensors="pt", input_data_format="channels_last")["pixel_values"][0]
