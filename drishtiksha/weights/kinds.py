"""What a file is that was given as a checkpoint and is none, told by its beginning, and what helps."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from drishtiksha.errors import WeightsDamagedError, WeightsMissingError
from drishtiksha.plaintext import is_text

HEAD = 4096
FETCH_ITSELF = "Open its address in a browser and fetch the file itself (on GitHub “Download raw file”, on Hugging Face “download”)."
ASK = "Ask its publisher for the PyTorch checkpoint (.pth, .pt, .ckpt) or a .safetensors file."
UNPACK = "Unpack it and import the checkpoint that is in it."
CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors", ".bin", ".tar")
TAR_MARK = 257
MAX_NAMED = 3
MAX_LIST = 16_000_000
META = "__metadata__"
"""The entry of a safetensors file's list that is no tensor."""

BEGINNINGS: tuple[tuple[int, tuple[bytes, ...], str, str], ...] = (
    (0, (b"\x89HDF\r\n\x1a\n",), "an HDF5 file, as Keras and TensorFlow write them", ASK),
    (4, (b"TFL3",), "a network of TensorFlow Lite", ASK),
    (0, (b"GGUF", b"lmgg", b"tjgg"), "a network for llama.cpp (GGUF), whose values are quantised", ASK),
    (0, (b"\x93NUMPY",), "an array of NumPy", ASK),
    (0, (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"), "a compressed file", UNPACK),
    (0, (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"), "an archive", UNPACK),
    (TAR_MARK, (b"ustar",), "a tar archive", UNPACK),
    (0, (b"%PDF",), "a PDF document", FETCH_ITSELF),
    (0, (b"\xff\xd8\xff", b"\x89PNG"), "a picture", FETCH_ITSELF),
)
"""Place, bytes, what the file is, and the remedy."""

ONNX = re.compile(rb"\x08[\x01-\x20]\x12[\x01-\x40][\w .\-]+")
"""An ONNX file begins with its version and the program that wrote it."""


def refuse_others(path: Path) -> None:
    """Raises: WeightsDamagedError, with what it is and what helps, for a file that is known to be no checkpoint."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if (told := _what(path, head)) is not None:
        what, remedy = told
        raise WeightsDamagedError(f"{path} is {what}, and no checkpoint of PyTorch. {remedy}")


def parts_listed(path: Path) -> list[Path]:
    """The files that a list of parts (`*.index.json`) names, which lie beside it; none for another file.

    Raises: WeightsMissingError where one is not there, WeightsDamagedError for a list that names anything else.
    """
    with path.open("rb") as file:
        if b'"weight_map"' not in file.read(HEAD):
            return []
        file.seek(0)
        listed = file.read(MAX_LIST)
    try:
        names = sorted(set(json.loads(listed)["weight_map"].values()))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise WeightsDamagedError(f"{path} is a damaged list of the parts of a checkpoint. Fetch it again.") from error
    if any(not isinstance(name, str) or Path(name).name != name for name in names):
        raise WeightsDamagedError(f"{path} names parts that do not lie beside it. Wanted bare file names.")
    parts = [path.with_name(name) for name in names]
    if absent := [part.name for part in parts if not part.is_file()]:
        raise WeightsMissingError(
            f"Of the parts that {path.name} lists, {', '.join(absent)} is not beside it. Fetch it, too."
        )
    return parts


def is_page(path: Path) -> bool:
    """Whether it is a page of the web or a server's message, saved in the place of a file."""
    with path.open("rb") as file:
        return _message(file.read(HEAD)) is not None


def is_cut(path: Path) -> bool:
    """Whether the end of a zip (as PyTorch writes them) or a safetensors file is missing; False for other files."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(9)
        if head.startswith(b"PK\x03\x04"):
            return not zipfile.is_zipfile(path)
        length = int.from_bytes(head[:8], "little")
        if head[8:] != b"{" or length > MAX_LIST:
            return False
        file.seek(8)
        listed = file.read(length)
    try:
        tensors = json.loads(listed)
        return (
            8 + length + max((one["data_offsets"][1] for name, one in tensors.items() if name != META), default=0)
            > size
        )
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError):
        return len(listed) < length


def _what(path: Path, head: bytes) -> tuple[str, str] | None:
    if not head:
        return "empty (0 bytes)", "Fetch it again; the transfer may have failed."
    if (message := _message(head)) is not None:
        return message, FETCH_ITSELF
    for place, marks, what, remedy in BEGINNINGS:
        if head[place:].startswith(marks):
            return what, remedy
    if ONNX.match(head):
        return "a network in ONNX", ASK
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    if is_text(head):
        if b'"weight_map"' in head:
            join = f"drishtiksha weights convert {path} {path.name.partition('.')[0]}.safetensors"
            return "the list of the parts (shards) of a checkpoint", f"Fetch all parts beside it and join them: {join}"
        return "a text file", FETCH_ITSELF
    return None


def _message(head: bytes) -> str | None:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page"
    if start.startswith((b"<?xml", b"<error")):
        return "a message of a server in XML"
    return None


def _zip(path: Path) -> tuple[str, str] | None:
    """None of checkpoints, and of damaged archives."""
    try:
        with zipfile.ZipFile(path) as opened:
            names = opened.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    bare = [name.rpartition("/")[2] for name in names]
    if "data.pkl" in bare or "constants.pkl" in bare:
        return None
    if inside := [name for name in names if name.lower().endswith(CHECKPOINTS)]:
        shown = ", ".join(inside[:MAX_NAMED]) + (" and more" if len(inside) > MAX_NAMED else "")
        return f"a zip archive in which {shown} lies", UNPACK
    if bare and all(name.endswith(".npy") for name in bare):
        return "a file of NumPy arrays (.npz)", ASK
    if "model.weights.h5" in bare:
        return "a network of Keras", ASK
    return "a zip archive without a checkpoint in it", ASK
