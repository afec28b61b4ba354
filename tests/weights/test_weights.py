"""Loading, describing and verifying checkpoints; fetching is in test_weights_pull.py."""

import json
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from drishtiksha import weights
from drishtiksha.contract import WeightsSource
from drishtiksha.errors import WeightsMismatchError, WeightsMissingError
from drishtiksha.weights import WeightsState


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in make_network(seed=1).state_dict().items()}


def make_network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).eval()


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for key, tensor in wanted.items():
        assert torch.equal(found[key], tensor), key


class RunsCode:
    """Unpickling this touches a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


# --- loading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
def test_pickles_load_with_and_without_wrapper(tmp_path, tensors, wrapper, suffix):
    path = tmp_path / f"net{suffix}"
    torch.save({wrapper: tensors, "epoch": 3, "optimizer": {"lr": 0.1}} if wrapper else tensors, path)
    assert_same(weights.load_state_dict(path), tensors)


def test_safetensors_load(tmp_path, tensors):
    save_file(tensors, tmp_path / "net.safetensors")
    assert_same(weights.load_state_dict(tmp_path / "net.safetensors"), tensors)


def test_pickles_from_before_torch_1_6_load(tmp_path, tensors):
    torch.save(tensors, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert_same(weights.load_state_dict(tmp_path / "old.pth"), tensors)


@pytest.mark.parametrize("number", [np.float64(0.25), np.float32(0.5), np.int64(7)])
def test_a_numpy_number_beside_the_weights_is_no_hindrance(tmp_path, tensors, number):
    path = tmp_path / "net.pth"
    torch.save({"state_dict": tensors, "bce_best": number}, path)
    assert_same(weights.load_state_dict(path), tensors)


def test_the_old_name_of_numpys_scalar_is_known(tmp_path, tensors):
    """Checkpoints written with numpy 1 name `numpy.core`, which numpy 2 calls `numpy._core`."""
    path = tmp_path / "net.pth"
    torch.save({"state_dict": tensors, "best": np.float64(1)}, path, _use_new_zipfile_serialization=False)
    written = path.read_bytes()
    assert b"numpy._core.multiarray" in written
    path.write_bytes(written.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"))
    assert_same(weights.load_state_dict(path), tensors)


@pytest.mark.parametrize("new_format", [True, False])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, tensors, new_format):
    mark = tmp_path / "was_run"
    path = tmp_path / "trap.pth"
    torch.save({**tensors, "x": RunsCode(mark)}, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(WeightsMismatchError, match=r"asks for builtins\.getattr, a type that is not allowed"):
        weights.load_state_dict(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the trap itself must work, or this test shows nothing"


@pytest.mark.parametrize("keep", [0.1, 0.6, 0.99])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_checkpoints_are_named_as_such(tmp_path, tensors, suffix, keep):
    path = tmp_path / f"net{suffix}"
    save_file(tensors, path) if suffix == ".safetensors" else torch.save(tensors, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(WeightsMismatchError, match="damaged"):
        weights.load_state_dict(path)


@pytest.mark.parametrize("content", [b"", b"<html>sign in</html>", pickle.dumps([1, 2]), b"\x80\x02" + bytes(100)])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_other_files_are_refused(tmp_path, suffix, content):
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsMismatchError):
        weights.load_state_dict(path)


def test_more_than_tensors_is_refused(tmp_path, tensors):
    torch.save({**tensors, "note": "hello"}, tmp_path / "net.pth")
    with pytest.raises(WeightsMismatchError, match="note"):
        weights.load_state_dict(tmp_path / "net.pth")


def test_an_unknown_format_is_refused(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"\0x" * 1000)
    with pytest.raises(WeightsMismatchError, match="safetensors"):
        weights.load_state_dict(tmp_path / "net.onnx")


@pytest.mark.parametrize("suffix", [".pth", ""])
def test_the_content_tells_the_format_whatever_the_name(tmp_path, tensors, suffix):
    for name, save in (("safe", save_file), ("pickled", torch.save)):
        path = tmp_path / f"{name}{suffix}"
        save(tensors, path)
        found = weights.load_state_dict(path)
        assert all(torch.equal(found[key], tensor) for key, tensor in tensors.items())


def test_missing_says_how_to_get_it(tmp_path):
    how = weights.remedy("NET-V1", tmp_path / "net.pth", WeightsSource(url="https://example.org/net.pth"))
    with pytest.raises(WeightsMissingError, match="drishtiksha weights pull NET-V1"):
        weights.load_state_dict(tmp_path / "net.pth", how)


def test_a_git_lfs_pointer_is_missing_weights(tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 18000000\n")
    assert weights.state(path) is WeightsState.MISSING
    with pytest.raises(WeightsMissingError, match="git lfs pull"):
        weights.load_state_dict(path)


def test_many_threads_load_pickles_with_numpy_numbers(tmp_path, tensors):
    path = tmp_path / "net.pth"
    torch.save({"state_dict": tensors, "best": np.float64(0.1)}, path)
    failures: list[Exception] = []

    def load() -> None:
        try:
            weights.load_state_dict(path)
        except WeightsMismatchError as error:
            failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


# --- into a network --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_networks_get_the_checkpoints_values(tmp_path, tensors, device):
    torch.save(tensors, tmp_path / "net.pth")
    with torch.device(device):
        network = make_network()
    weights.load_into(network, weights.load_state_dict(tmp_path / "net.pth"), "NET-V1")
    batch = torch.randn(2, 3)
    assert torch.equal(network(batch), make_network(seed=1)(batch))


def test_a_misfit_is_listed_by_key(tensors):
    tensors["0.weight"] = torch.zeros(5, 3)
    tensors["extra.bias"] = tensors.pop("2.bias")
    with pytest.raises(WeightsMismatchError) as caught:
        weights.load_into(make_network(), tensors, "NET-V1")
    message = str(caught.value)
    assert "NET-V1" in message
    assert "1 missing: 2.bias" in message
    assert "1 unexpected: extra.bias" in message
    assert "0.weight (5, 3) (wanted (4, 3))" in message


def test_a_long_list_of_keys_is_cut_short():
    with pytest.raises(WeightsMismatchError, match="9 missing") as caught:
        weights.load_into(make_network(), {}, "NET-V1")
    assert len(str(caught.value)) < 400


def test_a_buffer_that_no_checkpoint_fills_is_reported(tensors):
    with torch.device("meta"):
        network = make_network()
        network.register_buffer("window", torch.ones(3), persistent=False)
    with pytest.raises(WeightsMismatchError, match="window"):
        weights.load_into(network, tensors, "NET-V1")


# --- state, hash, sidecar --------------------------------------------------------------------------------------------

SIDECAR = {
    "sha256": "ab" * 32,
    "canary": {"seed": 7, "shape": [1, 3, 224, 224], "logits": [0.5], "tolerance": 0.001},
    "calibration": {"method": "platt", "scale": 1.5, "offset": -0.2, "data": "held-out", "n_real": 9, "n_fake": 8},
    "thresholds": {"real": 0.3, "fake": 0.7},
    "reference": {
        "image": {
            "data": "portraits",
            "fake_data": "",
            "p_fake": [0.1, 0.25],
            "fake_p_fake": [0.9],
            "sources": 2,
            "fake_sources": None,
        },
    },
    "measured": {"auc": 0.9, "false_alarms": {"clean": 0.01}},
}


def test_state_follows_the_files(tmp_path):
    path = tmp_path / "net.safetensors"
    assert weights.state(path) is WeightsState.MISSING
    path.touch()
    assert weights.state(path) is WeightsState.MISSING
    path.write_bytes(b"0" * 2000)
    assert weights.state(path) is WeightsState.READY
    weights.sidecar_path(path).write_text(json.dumps(SIDECAR))
    assert weights.state(path) is WeightsState.EMBEDDED


def test_sidecar_is_read(tmp_path):
    path = tmp_path / "net.safetensors"
    assert weights.read_sidecar(path) is None
    weights.sidecar_path(path).write_text(json.dumps(SIDECAR))
    sidecar = weights.read_sidecar(path)
    assert sidecar is not None
    told = json.loads(sidecar.model_dump_json(exclude_unset=True))
    assert told == SIDECAR


def test_only_the_hash_is_required(tmp_path):
    weights.sidecar_path(tmp_path / "net.pth").write_text(json.dumps({"sha256": SIDECAR["sha256"]}))
    sidecar = weights.read_sidecar(tmp_path / "net.pth")
    assert sidecar is not None
    assert (sidecar.canary, sidecar.calibration, sidecar.thresholds) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sha256": "abc"}, "sha256"),
        ({"calibration": {"method": "platt", "scale": -1, "offset": 0}}, "calibration.scale"),
        ({"thresholds": {"real": 0.8, "fake": 0.2}}, "thresholds"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_sidecar_names_the_field(tmp_path, change, named):
    weights.sidecar_path(tmp_path / "net.pth").write_text(json.dumps(SIDECAR | change))
    with pytest.raises(WeightsMismatchError, match=named):
        weights.read_sidecar(tmp_path / "net.pth")


def test_a_sidecar_that_is_no_json_is_refused(tmp_path):
    weights.sidecar_path(tmp_path / "net.pth").write_text("{")
    with pytest.raises(WeightsMismatchError, match=r"net\.json"):
        weights.read_sidecar(tmp_path / "net.pth")


def test_verify(tmp_path):
    path = tmp_path / "net.pth"
    path.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, example B.1
    assert weights.sha256_of(path) == digest
    weights.verify(path, digest.upper())
    with pytest.raises(WeightsMismatchError, match=digest):
        weights.verify(path, "0" * 64)
    with pytest.raises(WeightsMissingError):
        weights.verify(tmp_path / "other.pth", digest)


def test_remedy_speaks_of_what_there_is(tmp_path):
    path = tmp_path / "net.pth"
    assert "weights pull N" in weights.remedy("N", path, WeightsSource(hf_repo="a/b", hf_file="c"))
    assert weights.remedy("N", path, WeightsSource(by_hand="Ask the authors.")).startswith("Ask the authors.")
    assert str(path) in weights.remedy("N", path, WeightsSource())


@pytest.mark.slow
def test_importing_costs_no_torch():
    code = "import sys, drishtiksha.weights; sys.exit('torch' in sys.modules or 'httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
