"""The reference detectors with stand-in weights: loading, the stages of an analysis, and how they compare to the bare network.

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
from typing import TYPE_CHECKING, TypeVar

from bench.measure import ROOT, timed
from drishtiksha.detectors.discovery import discover
from drishtiksha.settings import load_settings
from drishtiksha.weights.files import parts

if TYPE_CHECKING:
    import torch

    from drishtiksha.detectors.base import Detector

T = TypeVar("T")

CLIPS = ROOT.parent / "shared" / "data" / "clips"

STAGE, STREET, PORTRAIT = "stage_360p.mp4", "street_faces_1080p.mp4", "portrait.jpg"
STAGES = ("decode", "faces", "preprocess", "forward")
WORK = ("judge", "score", "encode")
"""Methods of a detector that run its network on a batch."""
SHORT_S = 20.0
"""An analysis that takes longer is not repeated."""


@dataclass(frozen=True)
class Case:
    """One row. about: what makes it unlike another row, or unlike what its name promises."""

    model: str
    clip: str = STAGE
    settings: dict[str, object] = field(default_factory=dict)
    about: str = ""


CASES = (
    Case("SIGLIP-LSTM-V4", settings={"num_frames": 8}),
    Case("SIGLIP-LSTM-V4", settings={"num_frames": 120}),
    Case("COLOR-CUES-LSTM-V1"),
    Case("COLOR-CUES-LSTM-V1", STREET),
    Case("EFFICIENTNET-B7-V1", settings={"frames": 32}),
    Case("EFFICIENTNET-B7-V1", settings={"frames": "all"}),
    Case("EYEBLINK-CNN-LSTM-V1"),
    Case("SCATTERING-WAVE-V1", about="2 s of the sound alone"),
    Case("MEL-SPECTROGRAM-CNN-V2"),
    Case("MEL-SPECTROGRAM-CNN-V3"),
    Case("STFT-SPECTROGRAM-CNN-V2"),
    Case("AUDIO-MFT-CRNN-V1"),
    Case("CROSS-EFFICIENT-VIT-GAN"),
    Case("CROSS-EFFICIENT-VIT-GAN", STREET),
    Case("MFF-MOE-V1", settings={"video_frames_to_sample": 6}),
    Case("DISTIL-DIRE-V1", PORTRAIT),
    Case("LIP-FD-V1", settings={"num_windows": 10}),
)
COLUMNS = (
    "model, clip, settings",
    "samples, faces judged",
    "threads",
    "cold: wall, CPU",
    "warm: wall, CPU",
    "decode",
    "faces",
    "preprocess",
    "forward",
    "wall / (decode + faces + forward)",
    "bare network: wall, CPU",
    "forward / bare network",
    "load / (read + copy)",
    "peak MiB above the model",
    "of the process, loading too",
)


def table(only: str | None = None) -> str:
    """The rows as Markdown; a case that fails stands there with its reason."""
    rows = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    for case in CASES:
        if only is not None and only not in case.model:
            continue
        settings = [f"{name}={value}" for name, value in case.settings.items()]
        command = [sys.executable, "-m", "bench.shelf", case.model, case.clip, *settings]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        title = ", ".join(filter(None, [case.model, case.clip, *settings, case.about]))
        if done.returncode:
            rows.append(f"| {title} | failed: {done.stderr.strip().splitlines()[-1][:120]} |")
            continue
        rows.append(row(title, json.loads(done.stdout.strip().splitlines()[-1])))
    return "\n".join(rows)


def row(title: str, found: dict[str, float]) -> str:
    """A line of the table. found: as `measure` gives it; a call that took too long to be repeated has no warm figures."""

    def pair(name: str) -> str:
        return f"{found[name]:.2f}, {found[name + '_cpu']:.2f} s" if name in found else "not repeated"

    needed = found["decode"] + found["faces"] + found["forward"]
    wall = found.get("warm", found["cold"])
    cells = [
        f"{found['samples']:.0f}, {found['faces_judged']:.0f}",
        f"{found['threads']:.0f}",
        pair("cold"),
        pair("warm"),
        *(f"{found[stage]:.2f}" for stage in STAGES),
        f"{wall / needed:.2f}",
        pair("bare"),
        f"{found['forward'] / found['bare']:.2f}" if found["bare"] else "-",
        f"{found['load']:.2f} s / {found['read_copy']:.2f} s = {found['load'] / found['read_copy']:.1f}",
        f"{found['peak_mib']:.0f}",
        f"{found['process_mib']:.0f}",
    ]
    return f"| {title} | {' | '.join(cells)} |"


def measure(model: str, clip: str, settings: dict[str, object]) -> dict[str, float]:
    """Seconds and MiB of the first analysis without heatmaps in this process and, where that was short, of the second one, whose
    stages are told; then the seconds of its network alone on the same batches."""
    import torch

    evidence = ROOT / "assets" / clip if clip == PORTRAIT else CLIPS / clip
    with stand_in(model, settings) as detector:
        loading_kib = _status("VmHWM")
        found = {"load": detector.load_seconds or 0.0, "read_copy": sum(map(_read_and_copy, files_of(detector)))}
        _forget_peak()  # of reading whole files, just now
        with recorded(detector) as again:
            result, found["cold"], found["cold_cpu"] = timed(lambda: detector.analyze(evidence, explain=False))
        short = found["cold"] < SHORT_S
        if short:
            result, found["warm"], found["warm_cpu"] = timed(lambda: detector.analyze(evidence, explain=False))
        _, found["bare"], found["bare_cpu"] = timed(again)
        process = max(loading_kib, _status("VmHWM")) / 1024
        peak = peak_mib(lambda: short and detector.analyze(evidence, explain=False))
    judged = [score for score in result.scores if score.p_fake is not None]
    found |= {stage: result.stage_seconds.get(stage, 0.0) for stage in STAGES}
    found |= {"samples": len(judged), "faces_judged": sum(len(score.faces) for score in judged)}
    return found | {"threads": torch.get_num_threads(), "peak_mib": peak, "process_mib": process}


@contextmanager
def recorded(detector: Detector) -> Iterator[Callable[[], None]]:
    """Notes the batches that `detector` works on in the block; what it gives does that work again, and nothing else. Of those of
    one size the first stands for all, so that a long clip does not fill the memory."""
    done: list[Callable[[], object]] = []
    batches: dict[torch.Size, torch.Tensor] = {}
    inner = False

    def keeping(work: Callable[[torch.Tensor], T]) -> Callable[[torch.Tensor], T]:
        def kept(batch: torch.Tensor) -> T:
            nonlocal inner
            if inner:  # part of what is recorded already
                return work(batch)
            alike = batches.setdefault(batch.shape, batch)
            done.append(lambda: work(alike))
            inner = True
            try:
                return work(batch)
            finally:
                inner = False

        return kept

    def again() -> None:
        for work in done:
            work()

    for name in WORK:
        setattr(detector, name, keeping(getattr(detector, name)))
    try:
        yield again
    finally:
        for name in WORK:
            delattr(detector, name)


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
