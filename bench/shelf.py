"""The reference detectors with stand-in weights: loading, the stages of an analysis, and how much faster than the reference.

`python -m bench.shelf NAME [FIELD=VALUE ...]` measures one model in this process and prints JSON; `python -m bench` runs
each in a process of its own. It needs ../shared (golden key lists and clips).
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import ROOT
from drishtiksha.detectors.discovery import discover
from drishtiksha.settings import load_settings
from drishtiksha.weights.files import parts

if TYPE_CHECKING:
    import torch

    from drishtiksha.detectors.base import Detector

CLIPS = ROOT.parent / "shared" / "data" / "clips"

STAGE, STREET, PORTRAIT = "stage_360p.mp4", "street_faces_1080p.mp4", "portrait.jpg"


@dataclass(frozen=True)
class Case:
    """One row: reference_s as DETECTORS.md states it for a machine with AMX; goal: how many times faster it shall be."""

    model: str
    clip: str = STAGE
    settings: dict[str, object] = field(default_factory=dict)
    reference_s: float | None = None
    goal: str = ""


CASES = (
    Case("SIGLIP-LSTM-V4", settings={"num_frames": 8}, reference_s=100.0, goal="10x"),
    Case("SIGLIP-LSTM-V4", settings={"num_frames": 120}, reference_s=1500.0, goal="under 30 s"),
    Case("COLOR-CUES-LSTM-V1", reference_s=4.4, goal="4x"),
    Case("COLOR-CUES-LSTM-V1", STREET, reference_s=70.0, goal="15x"),
    Case("EFFICIENTNET-B7-V1", settings={"frames": 32}, goal="under 12 s"),
    Case("EFFICIENTNET-B7-V1", settings={"frames": "all"}, reference_s=548.0, goal="8x"),
    Case("EYEBLINK-CNN-LSTM-V1", reference_s=6.4, goal="4x"),
    Case("SCATTERING-WAVE-V1", reference_s=6.2, goal="8x"),
    Case("MEL-SPECTROGRAM-CNN-V2", reference_s=6.7, goal="8x"),
    Case("MEL-SPECTROGRAM-CNN-V3"),
    Case("STFT-SPECTROGRAM-CNN-V2", reference_s=22.0, goal="30x"),
    Case("AUDIO-MFT-CRNN-V1", reference_s=4.0, goal="8x"),
    Case("CROSS-EFFICIENT-VIT-GAN", reference_s=13.5, goal="4x"),
    Case("CROSS-EFFICIENT-VIT-GAN", STREET, reference_s=38.0, goal="4x"),
    Case("MFF-MOE-V1", settings={"video_frames_to_sample": 6}, reference_s=42.0, goal="3x"),
    Case("DISTIL-DIRE-V1", PORTRAIT),
    Case("LIP-FD-V1", settings={"num_windows": 10}, reference_s=18.0, goal="3x"),
)


def table(only: str | None = None) -> str:
    """The rows as Markdown; a case that fails stands there with its reason."""
    head = (
        "| model, clip, settings | reference, stated | here | ratio | goal | decode | faces | preprocess | forward | "
        "wall / (decode + faces + forward) | load / (read + copy) | peak MiB above the model | of the process, loading too |"
        "\n|" + "---|" * 13
    )
    rows = []
    for case in CASES:
        if only is not None and only not in case.model:
            continue
        settings = [f"{name}={value}" for name, value in case.settings.items()]
        command = [sys.executable, "-m", "bench.shelf", case.model, case.clip, *settings]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        title = ", ".join([case.model, case.clip, *settings])
        if done.returncode:
            rows.append(f"| {title} | failed: {done.stderr.strip().splitlines()[-1][:120]} |")
            continue
        rows.append(_row(title, case, json.loads(done.stdout.strip().splitlines()[-1])))
    return "\n".join([head, *rows])


def _row(title: str, case: Case, found: dict[str, float]) -> str:
    stated = f"{case.reference_s:g} s" if case.reference_s else "-"
    ratio = f"{case.reference_s / found['wall']:.1f}x" if case.reference_s else "-"
    needed = found["decode"] + found["faces"] + found["forward"]
    stages = " | ".join(f"{found[stage]:.2f}" for stage in ("decode", "faces", "preprocess", "forward"))
    loading = f"{found['load']:.2f} s / {found['read_copy']:.2f} s = {found['load'] / found['read_copy']:.1f}"
    return (
        f"| {title} | {stated} | {found['wall']:.2f} s | {ratio} | {case.goal} | {stages} | "
        f"{found['wall'] / needed:.2f} | {loading} | {found['peak_mib']:.0f} | {found['process_mib']:.0f} |"
    )


def measure(model: str, clip: str, settings: dict[str, object]) -> dict[str, float]:
    """Seconds and MiB of one analysis without heatmaps, after one that does not count where it is short."""
    evidence = ROOT / "assets" / clip if clip == PORTRAIT else CLIPS / clip
    with stand_in(model, settings) as detector:
        loading_kib = _status("VmHWM")
        found = {"load": detector.load_seconds or 0.0, "read_copy": sum(map(_read_and_copy, files_of(detector)))}
        _forget_peak()  # of reading whole files, just now
        started = time.perf_counter()
        result = detector.analyze(evidence, explain=False)
        if time.perf_counter() - started < 20:
            result = detector.analyze(evidence, explain=False)
        stages = {stage: result.stage_seconds.get(stage, 0.0) for stage in ("decode", "faces", "preprocess", "forward")}
        process = max(loading_kib, _status("VmHWM")) / 1024
        short = result.processing_time < 20
        peak = peak_mib(lambda: short and detector.analyze(evidence, explain=False))
    return found | stages | {"wall": result.processing_time, "peak_mib": peak, "process_mib": process}


@contextmanager
def stand_in(model: str, settings: dict[str, object]) -> Iterator[Detector]:
    """A model with stand-in weights; the hash of its files is known, as it is from the second load on."""
    sys.path.insert(0, str(ROOT / "tests"))
    import golden
    import torch

    entry = load_settings().models[model]
    cls = discover()[str(entry["class_name"])]
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = golden.checkpoint(model, Path(folder))
        fields = {k: v for k, v in entry.items() if k not in ("class_name", "description", "model_path", "companions")}
        fields |= settings
        if model in COMPANIONS:
            fields["companions"] = COMPANIONS[model](path)
        golden.detector(cls, model, path, **fields)
        _forget_peak()
        yield golden.detector(cls, model, path, **fields)


def files_of(detector: Detector) -> list[Path]:
    """The checkpoint and its companions."""
    return [Path(part.path) for part in parts(detector.config)]


def peak_mib(work: Callable[[], object]) -> float:
    """Memory that `work()` takes at its peak above what is in use now: freed memory that the process keeps is given back
    before. Linux with glibc only: 5 resets the high-water mark."""
    _forget_peak()
    before = _status("VmRSS")
    work()
    return (_status("VmHWM") - before) / 1024


def _forget_peak() -> None:
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def _averages(path: Path) -> dict[str, dict[str, object]]:
    """Averaged weights for MFF-MoE, as the golden case says."""
    import torch

    state = torch.load(path, weights_only=True)
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    experts: dict[int, dict[str, list[torch.Tensor]]] = {}
    for key, tensor in state.items():
        if not key.endswith(buffers):
            number = int(key.split(".")[1])
            experts.setdefault(number, {"shadow_params": []})["shadow_params"].append(tensor * 0.98)
    averages = path.with_suffix(".state")
    torch.save(experts, averages)
    return {"averages": {"path": averages}}


def _noise_predictor(path: Path) -> dict[str, dict[str, object]]:
    """OpenAI's network with stand-in weights, under its own keys."""
    import golden
    import torch

    facts = golden.load("ADM-256x256")["full_state_dict"]
    noise = path.with_suffix(".adm.pt")
    torch.save({key: golden.stand_in(key, shape, dtype) for key, (shape, dtype) in facts.items()}, noise)
    return {"noise_predictor": {"path": noise}}


COMPANIONS: dict[str, Callable[[Path], dict[str, dict[str, object]]]] = {
    "MFF-MOE-V1": _averages,
    "DISTIL-DIRE-V1": _noise_predictor,
}
"""How the further files of a model are made."""


def _read_and_copy(path: Path) -> float:
    started = time.perf_counter()
    bytearray(path.read_bytes())
    return time.perf_counter() - started


def _status(key: str) -> int:
    """KiB, from the kernel."""
    return int(Path("/proc/self/status").read_text().split(key + ":")[1].split()[0])


def main() -> None:
    model, clip, *settings = sys.argv[1:]
    pairs = (setting.split("=", 1) for setting in settings)
    print(json.dumps(measure(model, clip, {k: int(v) if v.isdigit() else v for k, v in pairs})))


if __name__ == "__main__":
    main()
