"""GEND-CLIP-L14, -PE-L and -DINOV3-L: aligned faces, by foundation models of which only the layer norms were tuned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, PositiveInt

from drishtiksha.contract import Face, FaceRequest, Sample
from drishtiksha.detectors.aligned_base import AlignedFaceConfig, AlignedFaceDetector
from drishtiksha.errors import WeightsMismatchError

if TYPE_CHECKING:
    from torch import Tensor, nn

HEADS = {"linearnorm": True, "linear": False}
"""The heads that config.json may name, and whether they take the feature at length 1."""


class GenDConfig(AlignedFaceConfig):
    backbone: Literal["clip", "pe", "dinov3"] = Field(
        default="clip", description="the foundation model of the checkpoint"
    )
    head: str = Field(default="LinearNorm", description="where the weights are a single file without config.json")
    width: PositiveInt = Field(default=1024, description="of the foundation model, as published")
    layers: PositiveInt = Field(default=24)
    heads: PositiveInt = Field(default=16)


class GenDDetector(AlignedFaceDetector):
    """Traces of swapping and re-enactment in the largest face of each frame.

    Yermakov et al., WACV 2026, arXiv:2508.06248. Checkpoint: `model.safetensors` and `config.json` of
    huggingface.co/yermandy/GenD_CLIP_L_14, GenD_PE_L or GenD_DINOv3_L, in a folder; config.json names the head. Polarity: the
    second of two outputs is fake. The authors' faces come from SCRFD, whose weights are for non-commercial research: here
    from MTCNN, with the same five points. Their app answers 0.0 without a face: here a gap.
    """

    Config = GenDConfig

    def faces(self) -> FaceRequest:
        return FaceRequest("mtcnn", self.config.min_face_px)

    def alignment(self, face: Face) -> tuple[np.ndarray, int]:
        from drishtiksha.faces.align import gend_alignment

        assert face.keypoints is not None
        return gend_alignment(face.keypoints)

    def build(self) -> nn.Module:
        from drishtiksha.networks.gend import GenDNetwork

        config = self.config
        return GenDNetwork(config.backbone, self._normalises(), config.width, config.layers, config.heads)

    def read_network(self, path: Path) -> nn.Module:
        return super().read_network(path / "model.safetensors" if path.is_dir() else path)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        from drishtiksha.networks.gend import renamed

        return renamed(state_dict)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, 224, 224) per face, RGB, normalised as the foundation model wants it."""
        from drishtiksha.networks.gend import preprocess_face

        return [preprocess_face(self.crop(sample, face), self.config.backbone) for face in sample.faces]

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        return self.attended(tensor)

    def _normalises(self) -> bool:
        """Raises: WeightsMismatchError for a config.json that names a head which is not known."""
        told, folder = self.config.head, Path(self.config.model_path)
        if folder.is_dir():
            try:
                told = json.loads((folder / "config.json").read_text(encoding="utf-8"))["head"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise WeightsMismatchError(
                    f"{folder / 'config.json'} does not name the head of {self.model_name} ({error}). Fetch the folder again "
                    f"with: drishtiksha weights pull {self.model_name}"
                ) from error
        if (known := HEADS.get(str(told).casefold())) is None:
            raise WeightsMismatchError(f"{self.model_name} has the head {told!r}; known are LinearNorm and linear.")
        return known
