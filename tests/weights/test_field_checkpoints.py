"""Checkpoints as the field writes them, each against the plain file of the same tensors; and those that are refused."""

import argparse
import collections
import contextlib
import datetime
import json
import os
import pathlib
import pickle
import re
import struct
import sys
import time
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from detector_kit import BRIGHTNESS, dropped_in, entry, manager_of
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from drishtiksha import weights
from drishtiksha.cli import app
from drishtiksha.errors import (
    DownloadError,
    WeightsDamagedError,
    WeightsMismatchError,
    WeightsMissingError,
    WeightsNotAllowedError,
)
from drishtiksha.weights import layout, pickles
from drishtiksha.weights.kinds import is_cut, parts_listed
from drishtiksha.weights.loading import COUNTERS


def network(seed: int = 1) -> nn.Sequential:
    torch.manual_seed(seed)
    body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    return nn.Sequential(body, nn.Linear(4, 1)).eval()


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in network().state_dict().items()}


def prefixed(tensors, prefix):
    return {prefix + key: value for key, value in tensors.items()}


def loaded(path, remap=dict):
    """The logits of the network with what lies at `path`."""
    empty = network(seed=2)
    found = layout.fitted(weights.load_state_dict(path), empty.state_dict(), remap, "NET-V1")
    weights.load_into(empty, found, "NET-V1")
    return empty(torch.ones(2, 3)).detach()


@pytest.fixture
def plain(tensors, tmp_path):
    torch.save(tensors, tmp_path / "plain.pth")
    return loaded(tmp_path / "plain.pth")


def with_leftovers(tensors):
    return {**tensors, "criterion.weight": torch.ones(2), "val_acc.correct": torch.zeros(1)}


def with_thop(tensors):
    counters = {f"{layer}.{name}": torch.zeros(1, dtype=torch.float64) for layer in ("0", "0.1") for name in COUNTERS}
    return {**tensors, "total_ops": torch.zeros(1), "total_params": torch.zeros(1), **counters}


LAYOUTS = {
    **{prefix: lambda t, p=prefix: prefixed(t, p) for prefix in ("module.", "model.", "_orig_mod.", "net.")},
    "module.model._orig_mod.": lambda t: prefixed(t, "module.model._orig_mod."),
    **{
        wrapper: lambda t, w=wrapper: {w: t, "epoch": 3}
        for wrapper in ("net", "model_state", "model_ema", "state_dict_ema", "state_dict", "model_state_dict", "model")
    },
    **{prefix: lambda t, p=prefix: prefixed(t, p) for prefix in ("student.", "backbone.", "module.backbone.")},
    **{wrapper: lambda t, w=wrapper: {w: t, "iter": 3} for wrapper in ("params", "params_ema", "ema", "netG")},
    "of a wrapper": lambda t: {"checkpoint": {"state_dict": prefixed(t, "module."), "epoch": 1}, "args": {"lr": 0.1}},
    "model of state_dict": lambda t: {"model": {"state_dict": prefixed(t, "module."), "arch": "x"}},
    "lightning": lambda t: {
        "state_dict": with_leftovers(prefixed(t, "model.")),
        "pytorch-lightning_version": "2.1",
        "hyper_parameters": {"opt": argparse.Namespace(lr=0.1)},
        "callbacks": {"best": {"path": pathlib.PosixPath("/a/b"), "score": np.float32(0.1)}},
        "loops": {},
    },
    "thop": with_thop,
    "no counters": lambda t: {k: v for k, v in t.items() if not k.endswith("num_batches_tracked")},
    "parameters": lambda t: {k: nn.Parameter(v) if v.is_floating_point() else v for k, v in t.items()},
}


@pytest.mark.parametrize("written", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_logits_of_the_plain_file(tmp_path, tensors, plain, written):
    torch.save(written(tensors), tmp_path / "net.pth")
    assert torch.equal(loaded(tmp_path / "net.pth"), plain)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("save", [torch.save, save_file])
def test_other_precisions_become_float32(tmp_path, tensors, plain, dtype, save):
    cast = {key: value.to(dtype) if value.is_floating_point() else value for key, value in tensors.items()}
    save(cast, tmp_path / "net")
    found = loaded(tmp_path / "net")
    assert found.dtype is torch.float32
    assert (found - plain).abs().max() < 0.02


def test_a_network_that_has_the_prefix_itself_keeps_it(tmp_path, tensors):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = network(seed=2)

    torch.save(prefixed(tensors, "model."), tmp_path / "net.pth")
    found = layout.fitted(weights.load_state_dict(tmp_path / "net.pth"), Wrapped().state_dict(), dict, "NET-V1")
    assert found.keys() == Wrapped().state_dict().keys()


def test_a_file_of_the_part_inside_gets_the_prefix_of_the_network(tmp_path, tensors):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = network(seed=2)

    torch.save(tensors, tmp_path / "net.pth")
    wrapped = Wrapped().eval()
    found = layout.fitted(weights.load_state_dict(tmp_path / "net.pth"), wrapped.state_dict(), dict, "NET-V1")
    weights.load_into(wrapped, found, "NET-V1")
    assert torch.equal(wrapped.model(torch.ones(2, 3)), network()(torch.ones(2, 3)))


def test_a_prefix_is_taken_off_before_the_names_are_changed(tmp_path, tensors, plain):
    published = {"old." + key: value for key, value in tensors.items()}
    torch.save(prefixed(published, "module."), tmp_path / "net.pth")
    assert torch.equal(loaded(tmp_path / "net.pth", lambda t: {k.removeprefix("old."): v for k, v in t.items()}), plain)


def test_half_a_prefix_is_none(tmp_path, tensors):
    """One key of another part: it is named, not passed over."""
    torch.save({**prefixed(tensors, "module."), "head.extra": torch.ones(1)}, tmp_path / "net.pth")
    with pytest.raises(WeightsMismatchError, match="10 unexpected: module"):
        loaded(tmp_path / "net.pth")


# --- metadata --------------------------------------------------------------------------------------------------------

SCALARS = [
    np.dtype(kind).type(1)
    for kind in ("?", "b", "B", "h", "H", "i", "I", "q", "Q", "e", "f", "d", "g", "F", "D", "S1", "U1")
]
METADATA = [
    *SCALARS,
    np.datetime64("2020-01-01"),
    np.arange(6).reshape(2, 3),
    np.ones(3, np.float16),
    np.array(["a", "b"]),
    np.random.RandomState(0).get_state(),
    np.dtype("float32"),
    argparse.Namespace(lr=0.1, path=pathlib.PosixPath("/tmp/x")),
    pathlib.PosixPath("/a/b"),
    pathlib.PurePosixPath("/a"),
    datetime.datetime(2020, 1, 2, 3),
    datetime.timedelta(hours=1),
    datetime.date(2020, 1, 1),
    collections.OrderedDict(a=1),
    collections.Counter("abc"),
    collections.defaultdict(list, {"loss": [0.1, 0.2]}),
    {1, 2},
]


@pytest.mark.parametrize("value", METADATA, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "old"])
def test_harmless_metadata_is_no_hindrance(tmp_path, tensors, value, new_format):
    path = tmp_path / "net.pth"
    torch.save({"state_dict": tensors, "x": [value, {"in": value}]}, path, _use_new_zipfile_serialization=new_format)
    found = weights.load_state_dict(path)
    assert all(torch.equal(found[key], tensor) for key, tensor in tensors.items())


class AttributeDict(dict):
    __module__ = "lightning_fabric.utilities.data"


def test_the_hyper_parameters_of_lightning_are_no_hindrance(tmp_path, tensors, monkeypatch):
    module = types.ModuleType("lightning_fabric.utilities.data")
    module.AttributeDict = AttributeDict
    for name in ("lightning_fabric", "lightning_fabric.utilities", module.__name__):
        monkeypatch.setitem(sys.modules, name, module if name == module.__name__ else types.ModuleType(name))
    content = {"state_dict": tensors, "hyper_parameters": AttributeDict(lr=0.1, name="x")}
    torch.save(content, tmp_path / "net.pth")
    assert weights.load_state_dict(tmp_path / "net.pth").keys() == tensors.keys()
    assert weights.load_content(tmp_path / "net.pth")["hyper_parameters"] == {"lr": 0.1, "name": "x"}


def test_metadata_is_never_built(tmp_path, tensors, monkeypatch):
    """A stand-in takes its place: no path, no array, no default factory of the file comes to be."""
    torch.save({"state_dict": tensors, "x": METADATA}, tmp_path / "net.pth")
    held = weights.load_content(tmp_path / "net.pth")["x"]
    real = (np.generic, np.ndarray, pathlib.PurePath, argparse.Namespace, datetime.date, collections.defaultdict)
    flat = [one for value in held for one in (value if isinstance(value, tuple) else (value,))]
    assert not [value for value in flat if isinstance(value, real)]


def test_what_the_allowed_names_are_given_does_nothing(tmp_path, tensors):
    """The allowed names called with what an attacker would give them: memory, files, code."""
    mark = tmp_path / "mark"
    calls = [
        b"cnumpy\nndarray\n(L1000000000000L\ntR",
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O'\ntRc__builtin__\nlist\n)RtR",
        b"cpathlib\nPath\n(S'" + os.fsencode(mark) + b"'\ntR}S'x'\nS'y'\nsb",
        b"ccollections\ndefaultdict\n(c__builtin__\nlist\ntR(S'a'\nI1\nu",
        b"cargparse\nNamespace\n)\x81}S'__class__'\nI1\nsb",
    ]
    for call in calls:
        as_binary = call.replace(b"L1000000000000L\n", b"\x8a\x08\x00\x10\xa5\xd4\xe8\x00\x00\x00")
        path = with_pickle(tmp_path / "net.pth", b"\x80\x02" + binary_strings(as_binary) + b".")
        held = weights.load_content(path)
        assert isinstance(held, pickles.Inert | collections.OrderedDict), call
    assert not mark.exists()


def binary_strings(program: bytes) -> bytes:
    """S'x' and I1 in the binary operations that torch reads."""
    program = re.sub(rb"S'([^']*)'\n", lambda m: b"X" + struct.pack("<I", len(m[1])) + m[1], program)
    return re.sub(rb"I(\d+)\n", lambda m: b"K" + bytes([int(m[1])]), program)


def with_pickle(path: Path, program: bytes) -> Path:
    """A checkpoint of torch whose pickle is `program`."""
    torch.save({"a": torch.zeros(2)}, path)
    with zipfile.ZipFile(path) as source:
        members = {info.filename: source.read(info) for info in source.infolist()}
    with zipfile.ZipFile(path, "w") as target:
        for name, data in members.items():
            target.writestr(name, program if name.endswith("data.pkl") else data)
    return path


# --- the three refusals ----------------------------------------------------------------------------------------------


class Strange:
    pass


class StrangeDict(dict):
    pass


@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "old"])
def test_a_type_that_is_not_allowed_is_named_and_not_called_damaged(tmp_path, tensors, new_format):
    path = tmp_path / "net.pth"
    torch.save({"state_dict": tensors, "x": Strange()}, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(WeightsNotAllowedError, match=r"Strange, a type that is not allowed.*weights convert") as caught:
        weights.load_state_dict(path)
    assert "not damaged" in str(caught.value)


@pytest.mark.parametrize("name", [b"posix\nsystem", b"__builtin__\neval", b"torch\nload", b"operator\nattrgetter"])
def test_code_is_refused_by_its_name(tmp_path, name):
    path = with_pickle(tmp_path / "net.pth", b"\x80\x02c" + name + b"\nX\x02\x00\x00\x00id\x85R.")
    with pytest.raises(
        WeightsNotAllowedError, match=name.decode().replace("__builtin__", "builtins").replace("\n", ".")
    ):
        weights.load_state_dict(path)


def test_a_damaged_file_is_called_damaged(tmp_path, tensors):
    path = tmp_path / "net.pth"
    torch.save(tensors, path)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(WeightsDamagedError, match="damaged"):
        weights.load_state_dict(path)


def test_a_program_is_no_state_dict(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "net.pt")
    with pytest.raises(WeightsNotAllowedError, match="TorchScript"):
        weights.load_state_dict(tmp_path / "net.pt")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused(tmp_path, tensors, value):
    tensors["1.weight"][0, 2] = value
    torch.save(tensors, tmp_path / "net.pth")
    with pytest.raises(WeightsMismatchError, match=r"not finite.*1\.weight"):
        weights.load_state_dict(tmp_path / "net.pth")


def a_zip(path: Path, *names: str) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x" * 20)
    return path.read_bytes()


OTHER_FILES = {
    "a web page": (lambda _: b"\n <!DOCTYPE html><html><body>Sign in</body></html>", "the file itself"),
    "a message of a server": (
        lambda _: b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        "the file itself",
    ),
    "HDF5": (lambda _: b"\x89HDF\r\n\x1a\n" + bytes(100), "Ask its publisher"),
    "TensorFlow Lite": (lambda _: b"\x1c\0\0\0TFL3" + bytes(100), "Ask its publisher"),
    "GGUF": (lambda _: b"GGUF\3\0\0\0" + bytes(100), "Ask its publisher"),
    "ONNX": (lambda _: b"\x08\x09\x12\x07pytorch\x1a\x052.1.0" + bytes(100), "Ask its publisher"),
    "arrays": (lambda p: a_zip(p, "a.npy", "b.npy"), "Ask its publisher"),
    "best/net.pth": (lambda p: a_zip(p, "README.md", "best/net.pth"), "Unpack it"),
    "without a checkpoint": (lambda p: a_zip(p, "a.txt"), "Ask its publisher"),
    "a compressed file": (lambda _: b"\x1f\x8b\x08" + bytes(100), "Unpack it"),
    "a tar archive": (lambda _: b"net.pth".ljust(257, b"\0") + b"ustar\x0000" + bytes(300), "Unpack it"),
    "a text file": (lambda _: b"wget https://example.org/net.pth\n", "the file itself"),
    "empty": (lambda _: b"", "Fetch it again"),
}


@pytest.mark.parametrize("what", OTHER_FILES)
def test_what_is_no_checkpoint_is_named_with_a_remedy(tmp_path, what):
    content, remedy = OTHER_FILES[what]
    path = tmp_path / "net.pth"
    path.write_bytes(content(tmp_path / "made.zip"))
    for use in (weights.load_state_dict, lambda given: weights.convert(given, tmp_path / "out.safetensors")):
        with pytest.raises(WeightsDamagedError, match=re.escape(what)) as caught:
            use(path)
        assert remedy in str(caught.value)


def test_quantised_weights_are_named(tmp_path, tensors):
    packed = {**tensors, "1.weight": torch.ones((1, 4), dtype=torch.int8), "1.SCB": torch.ones(1)}
    save_file(packed, tmp_path / "net.safetensors")
    with pytest.raises(WeightsMismatchError, match=r"quantised.*8 bits in 1\.weight"):
        weights.load_state_dict(tmp_path / "net.safetensors")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}, "an optimiser keeps"),
        ({"optimizer": {"state": {}, "param_groups": []}, "epoch": 3}, "an optimiser keeps"),
        ({}, "holds nothing"),
        ({"epoch": 3}, "more than tensors: epoch"),
        ({"netG": {"a": torch.ones(1)}, "netD": {"a": torch.ones(1)}}, "several state dicts: netG, netD"),
    ],
)
def test_files_without_the_weights_of_one_network_say_what_they_hold(tmp_path, content, told):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(WeightsMismatchError, match=told):
        weights.load_state_dict(tmp_path / "net.pth")


def test_the_parts_of_a_checkpoint_are_joined(tmp_path, tensors, plain):
    names = sorted(tensors)
    pieces = {"model-1.safetensors": names[:4], "model-2.safetensors": names[4:]}
    for name, keys in pieces.items():
        save_file({key: tensors[key] for key in keys}, tmp_path / name)
    listed = tmp_path / "model.safetensors.index.json"
    placed = {key: name for name, keys in pieces.items() for key in keys}
    listed.write_text(json.dumps({"metadata": {"total_size": 9}, "weight_map": placed}, indent=2))
    with pytest.raises(
        WeightsDamagedError, match=r"weights convert .*model\.safetensors\.index\.json model\.safetensors"
    ):
        weights.load_state_dict(listed)
    weights.convert(listed, tmp_path / "model.safetensors")
    assert torch.equal(loaded(tmp_path / "model.safetensors"), plain)
    (tmp_path / "model-2.safetensors").unlink()
    with pytest.raises(WeightsMissingError, match=r"model-2\.safetensors is not beside it"):
        weights.convert(listed, tmp_path / "again.safetensors")
    listed.write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))
    with pytest.raises(WeightsDamagedError, match="bare file names"):
        weights.convert(listed, tmp_path / "again.safetensors")


# --- built to keep their reader busy ----------------------------------------------------------------------------------

DEEP = b"\x80\x02)" + b"\x85" * 1_000_000 + b"."
LISTS = b"\x80\x02" + b"]" * 1_200_000 + b"a" * 1_199_999 + b"."
MANY_CALLS = b"\x80\x02(cargparse\nNamespace\nq\x00" + b"h\x00)R" * 200_000 + b"t."

LAUGHS = b"\x80\x02}()q\x00" + b"".join(b"h%c\x86q%c" % (i, i + 1) for i in range(60)) + b"K\1u."
"""A dict whose key is a tuple of two tuples of two tuples, sixty times: Python would hash 2^60 parts."""


@pytest.mark.parametrize("opcode", [b"\x8d", b"\x8e", b"\x96"], ids=["text", "bytes", "bytearray"])
@pytest.mark.parametrize("length", [1 << 45, (1 << 64) - 1])
def test_a_text_that_is_said_to_have_terabytes_is_damage(tmp_path, opcode, length):
    (tmp_path / "long.pth").write_bytes(b"\x80\5" + opcode + length.to_bytes(8, "little") + b"abc.")
    with pytest.raises(WeightsDamagedError):
        pickles.inspect(tmp_path / "long.pth")


def test_lists_nested_without_end_are_damaged_lists(tmp_path):
    deep = b"[" * 200_000
    (tmp_path / "model.safetensors.index.json").write_bytes(b'{"weight_map":' + deep)
    with pytest.raises(WeightsDamagedError, match="damaged list"):
        parts_listed(tmp_path / "model.safetensors.index.json")
    (tmp_path / "a.safetensors").write_bytes((5 + len(deep)).to_bytes(8, "little") + b'{"a":' + deep)
    assert not is_cut(tmp_path / "a.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("program", [DEEP, LISTS, MANY_CALLS, LAUGHS], ids=["deep", "lists", "calls", "laughs"])
@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "old"])
def test_pickles_beyond_all_bounds_are_refused_soon(tmp_path, program, new_format):
    path = tmp_path / "net.pth"
    if new_format:
        with_pickle(path, program)
    else:
        path.write_bytes(program)
    started = time.process_time()
    with pytest.raises(WeightsDamagedError, match="than weights do"):
        weights.load_state_dict(path)
    assert time.process_time() - started < 5


@pytest.mark.slow
def test_thousands_of_tensors_are_no_depth(tmp_path):
    many = {f"layers.{i}.{name}": torch.zeros(1) for i in range(1500) for name in ("weight", "bias", "running_mean")}
    torch.save(many, tmp_path / "net.pth")
    assert len(weights.load_state_dict(tmp_path / "net.pth")) == 4500


def test_a_million_keys_are_refused_soon(tmp_path):
    path = tmp_path / "many.safetensors"
    one = '"k%07d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    header = ("{" + ",".join(one % i for i in range(300_000)) + "}").encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    started = time.process_time()
    with pytest.raises(WeightsDamagedError, match="header claims"):
        weights.load_state_dict(path)
    assert time.process_time() - started < 1


def test_more_tensors_than_any_network_has(tmp_path, monkeypatch):
    monkeypatch.setattr("drishtiksha.weights.loading.MAX_TENSORS", 5)
    save_file({f"k{i}": torch.zeros(1) for i in range(6)}, tmp_path / "net.safetensors")
    with pytest.raises(WeightsMismatchError, match="6 tensors"):
        weights.load_state_dict(tmp_path / "net.safetensors")


def test_a_packed_list_of_tensors_is_not_unpacked_beyond_its_bound(tmp_path):
    path = with_pickle(tmp_path / "net.pth", b"")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data.pkl", b"\x80\x02" + bytes(40_000_000))
    with pytest.raises(WeightsDamagedError, match="at most 16000000"):
        weights.load_state_dict(path)


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(1).expand(10**12), torch.zeros(3, device="meta"), torch.zeros(3, 3).to_sparse()],
    ids=["expanded", "meta", "sparse"],
)
def test_tensors_without_values_of_their_own_are_refused(tmp_path, tensor):
    torch.save({"0.0.weight": tensor}, tmp_path / "net.pth")
    with pytest.raises(WeightsDamagedError, match=r"claim|without plain values"):
        weights.load_state_dict(tmp_path / "net.pth")


def test_every_cut_and_every_flipped_bit_ends_in_a_typed_refusal_or_the_tensors(tmp_path, tensors):
    path = tmp_path / "net.pth"
    torch.save({"state_dict": tensors, "x": METADATA}, path)
    whole = bytearray(path.read_bytes())
    chance = np.random.default_rng(7)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in chance.integers(0, len(whole), 4):
            damaged[place] ^= 1 << int(chance.integers(8))
        path.write_bytes(
            damaged[: int(chance.integers(len(whole) // 2, len(whole)))] if chance.random() < 0.3 else damaged
        )
        with contextlib.suppress(WeightsMismatchError):
            weights.load_state_dict(path)


# --- convert ---------------------------------------------------------------------------------------------------------


def test_convert_takes_the_tensors_out_of_what_is_not_allowed(tmp_path, tensors, plain):
    path, out = tmp_path / "net.pth", tmp_path / "out.safetensors"
    torch.save({"state_dict": tensors, "config": Strange()}, path)
    with pytest.raises(WeightsNotAllowedError):
        weights.load_state_dict(path)
    done = CliRunner().invoke(app, ["weights", "convert", str(path), str(out)])
    assert done.exit_code == 0, done.output
    assert f"{len(tensors)} tensors" in done.output
    assert torch.equal(loaded(out), plain)


def test_convert_passes_over_types_of_dict(tmp_path, tensors, plain):
    torch.save({"state_dict": tensors, "config": StrangeDict(a=1)}, tmp_path / "net.pth")
    weights.convert(tmp_path / "net.pth", tmp_path / "out.safetensors")
    assert torch.equal(loaded(tmp_path / "out.safetensors"), plain)


def test_convert_takes_the_tensors_of_a_whole_pickled_network(tmp_path, plain):
    torch.save({"model": network(), "epoch": 1}, tmp_path / "net.pth")
    assert weights.convert(tmp_path / "net.pth", tmp_path / "out.safetensors") == 9
    assert torch.equal(loaded(tmp_path / "out.safetensors"), plain)


def test_convert_runs_no_code(tmp_path, tensors):
    mark = tmp_path / "was_run"

    class RunsCode:
        def __reduce__(self):
            return Path.touch, (mark,)

    torch.save({"state_dict": tensors, "x": RunsCode()}, tmp_path / "net.pth")
    with pytest.raises(WeightsNotAllowedError):  # what it calls is not even a type
        weights.convert(tmp_path / "net.pth", tmp_path / "out.safetensors")
    program = b"\x80\x02}X\x01\x00\x00\x00xc__builtin__\nexec\nX\x04\x00\x00\x00code\x85Rs."
    code = program.replace(
        b"\x04\x00\x00\x00code", struct.pack("<I", len(str(mark)) + 13) + f"open({str(mark)!r}, 'w')".encode()
    )
    with pytest.raises(WeightsMismatchError, match="more than tensors: x"):
        weights.convert(with_pickle(tmp_path / "net.pth", code), tmp_path / "out.safetensors")
    pickle.loads(code)
    assert mark.exists(), "the trap itself must work, or this test shows nothing"


def test_convert_refuses_the_modules_that_torch_blocks_and_never_overwrites(tmp_path, tensors):
    path = with_pickle(tmp_path / "net.pth", b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.")
    with pytest.raises(WeightsNotAllowedError, match=r"posix\.system"):
        weights.convert(path, tmp_path / "out.safetensors")
    torch.save(tensors, path)
    (tmp_path / "out.safetensors").write_bytes(b"mine")
    with pytest.raises(DownloadError, match="exists already"):
        weights.convert(path, tmp_path / "out.safetensors")
    assert (tmp_path / "out.safetensors").read_bytes() == b"mine"


def test_what_convert_let_through_is_not_let_through_afterwards(tmp_path, tensors):
    torch.save({"state_dict": tensors, "x": Strange()}, tmp_path / "net.pth")
    weights.convert(tmp_path / "net.pth", tmp_path / "out.safetensors")
    with pytest.raises(WeightsNotAllowedError):
        weights.load_state_dict(tmp_path / "net.pth")


# --- one forward at import --------------------------------------------------------------------------------------------


@pytest.fixture
def brightness(tmp_path, monkeypatch):
    with dropped_in(tmp_path / "detectors", brightness=BRIGHTNESS):
        yield manager_of({"P": entry(model_path=tmp_path / "models" / "p.pt")}, tmp_path, monkeypatch)


def given(tmp_path, gain):
    torch.save({"module.gain": gain, "module.ballast": torch.zeros(1)}, tmp_path / "got.pt")
    return tmp_path / "got.pt"


def test_a_half_precision_file_is_imported_and_used(brightness, tmp_path):
    brightness.import_file("P", given(tmp_path, torch.ones(1, dtype=torch.float16)))
    assert brightness.load_model("P").network.gain.dtype is torch.float32


def test_weights_that_compute_no_number_are_refused_at_import(brightness, tmp_path):
    """Finite, of the right name and shape, and of no use."""
    with pytest.raises(WeightsMismatchError, match="cannot compute with them"):
        brightness.import_file("P", given(tmp_path, torch.full((1,), 3e38)))
    assert not (tmp_path / "models" / "p.pt").exists()


def test_the_file_of_another_model_names_that_model(tmp_path, monkeypatch):
    wider = BRIGHTNESS.replace("self.gain", "self.width")
    with dropped_in(tmp_path / "detectors", brightness=BRIGHTNESS, other=wider.replace("BrightnessDetector", "Other")):
        entries = {
            "P": entry(model_path=tmp_path / "models" / "p.pt"),
            "Q": entry("Other", model_path=tmp_path / "models" / "q.pt"),
        }
        manager = manager_of(entries, tmp_path, monkeypatch)
        with pytest.raises(WeightsMismatchError, match=r"It fits P: drishtiksha weights import .*got\.pt P"):
            manager.import_file("Q", given(tmp_path, torch.ones(1)))
        torch.save({"nobody.knows": torch.ones(3)}, tmp_path / "strange.pt")
        with pytest.raises(WeightsMismatchError) as caught:
            manager.import_file("Q", tmp_path / "strange.pt")
        assert "It fits" not in str(caught.value)


def test_pickle_protocol_4_is_told_apart(tmp_path, tensors):
    torch.save(tensors, tmp_path / "net.pth", pickle_protocol=4)
    with pytest.raises(WeightsDamagedError, match="newer pickle protocol"):
        weights.load_state_dict(tmp_path / "net.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps({"a": 1}, protocol=2))
    with pytest.raises(WeightsDamagedError):
        weights.load_state_dict(tmp_path / "bare.pth")
