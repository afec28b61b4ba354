"""Random weights that are published as several files or as a folder, written as their authors publish them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import detector_kit
import torch
from transformers import (
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
)

from drishtiksha.contract import Companion
from drishtiksha.detectors.base import Detector
from drishtiksha.networks.distil_dire import DistilDIRENetwork
from drishtiksha.networks.mff_moe import MFFMoENetwork
from drishtiksha.networks.universal_fake import UniversalFakeNetwork

TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
"""Of a transformer of Hugging Face."""
SMALL: dict[str, dict[str, Any]] = {
    "DistilDIREDetectorV1": {"noise_channels": 32, "noise_head_channels": 16},
    "MFFMoEDetectorV1": {"experts": ("convnextv2_atto", "test_efficientnet"), "image_size": 96},
    "UniversalFakeDetector": {"width": 64, "layers": 2, "heads": 4, "projection": 16},
}
"""Fields that make their networks small."""


def distil_dire(folder: Path, network: DistilDIRENetwork) -> dict[str, Any]:
    """Fields of a configuration whose files are those written here, as of the functions below."""
    state = network.state_dict()
    noise = {key: tensor for key, tensor in state.items() if key.startswith("noise_predictor.")}
    own = {f"module.{key}": tensor for key, tensor in state.items() if key not in noise}
    torch.save({"model": own, "epoch": 34, "optimizer": {}}, folder / "distil.pth")
    torch.save({key.removeprefix("noise_predictor."): tensor for key, tensor in noise.items()}, folder / "adm.pt")
    return {"model_path": folder / "distil.pth", "companions": {"noise_predictor": Companion(path=folder / "adm.pt")}}


def averages_of(network: MFFMoENetwork, factor: float = 0.98) -> dict[int, dict[str, Any]]:
    """What the authors' training leaves beside the weights."""
    return {
        number: {
            "decay": 0.995,
            "num_updates": 9,
            "shadow_params": [parameter.detach() * factor for parameter in expert.parameters()],
            "collected_params": None,
        }
        for number, expert in enumerate(network.experts)
    }


def mff_moe(folder: Path, network: MFFMoENetwork) -> dict[str, Any]:
    torch.save(network.experts.state_dict(), folder / "weight.pth")
    torch.save(averages_of(network), folder / "ema.state")
    return {"model_path": folder / "weight.pth", "companions": {"averages": Companion(path=folder / "ema.state")}}


def universal_fake(folder: Path, network: UniversalFakeNetwork) -> dict[str, Any]:
    """CLIP lies there with its text tower, as its authors publish it."""
    torch.save(network.fc.state_dict(), folder / "fc_weights.pth")
    text = {"text_model.final_layer_norm.weight": torch.ones(3), "logit_scale": torch.ones(())}
    torch.save(network.clip.state_dict() | text, folder / "clip.pt")
    return {"model_path": folder / "fc_weights.pth", "companions": {"clip": Companion(path=folder / "clip.pt")}}


def labels(*names: str) -> dict[str, Any]:
    return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


def vit(folder: Path, *names: str, **processing: Any) -> Path:
    torch.manual_seed(0)
    network = ViTForImageClassification(ViTConfig(**TINY, image_size=32, patch_size=8, **labels(*names)))
    network.save_pretrained(folder)
    ViTImageProcessor(**({"size": {"height": 32, "width": 32}} | processing)).save_pretrained(folder)
    return folder


def wav2vec2(folder: Path) -> Path:
    """Its labels are "fake" and "real"."""
    torch.manual_seed(0)
    convolutions = {"conv_dim": (16, 16), "conv_kernel": (10, 3), "conv_stride": (20, 8)}
    positions = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    config = Wav2Vec2Config(
        **TINY, **convolutions, **positions, classifier_proj_size=16, vocab_size=8, **labels("fake", "real")
    )
    Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=16_000, do_normalize=True).save_pretrained(folder)
    return folder


IN_PARTS = {
    "DistilDIREDetectorV1": distil_dire,
    "MFFMoEDetectorV1": mff_moe,
    "UniversalFakeDetector": universal_fake,
}
"""Detectors whose weights are several files."""
FOLDERS = ("HFImageClassifier", "HFAudioClassifier")
"""Detectors whose weights are folders."""


def stand_in(detector_class: type[Detector], folder: Path, *, small: bool = True) -> dict[str, Any]:
    """Fields for the configuration of any detector with random weights, which are written to `folder`.

    small: of a network that is small enough to be tried on every machine; a classifier of Hugging Face always is.
    """
    name = detector_class.__name__
    fields: dict[str, Any] = (detector_kit.SMALL | SMALL).get(name, {}) if small else {}
    if name in FOLDERS:
        path = vit(folder / "vit", "real", "fake") if name == "HFImageClassifier" else wav2vec2(folder / "wav2vec2")
        return {**fields, "model_path": path, "fake_labels": ("fake",)}
    if name in IN_PARTS:
        config = detector_class.Config(class_name=name, description="", model_path=folder / "none.pt", **fields)
        torch.manual_seed(0)
        return {**fields, **IN_PARTS[name](folder, detector_class(config).build())}
    return {**fields, "model_path": detector_kit.stand_in_weights(detector_class, folder / "random.pt", **fields)}
