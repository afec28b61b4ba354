"""`python -m bench [--repeats N]`: measure and write bench/RESULTS.md."""

from __future__ import annotations

import argparse
import timeit
from datetime import UTC, datetime
from pathlib import Path

import torch

from bench import batch, engine, firstload, long, page, scale, shared, shelf
from bench.measure import ROOT, fresh_process, machine, median_s, timed
from drishtiksha.analysis import analyze
from drishtiksha.analysis.chunks import library_versions
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.sampling import evenly_spaced
from drishtiksha.media.video import iter_frames, read_index
from drishtiksha.registry import ModelManager
from drishtiksha.settings import load_settings

MODEL = "FACE-BLEND-LITE-V1"
STAGES = {
    "decode": "waiting for the decoder, which works ahead in a thread",
    "faces": "finding faces",
    "preprocess": "cropping and scaling them",
    "forward": "the network",
    "explain": "heatmaps",
}

SHELF = """## The reference detectors, with stand-in weights

One process a row, without heatmaps. Cold: the first analysis in its process, after the model was loaded; warm: the second, whose
stages are told. CPU: seconds of all threads together. The bare network: batches of the same sizes once more, and nothing else. Loading is
that of a file whose hash is known. Rows differ in what they judge: seconds compare within a row, or by the sample."""

RESULTS = ROOT / "bench" / "RESULTS.md"
KEPT = "<!-- `make bench` writes what stands above, and leaves what follows. -->"

ENGINE = """## ONNX Runtime and torch

In one process and in turn, the least of all repeats; "kept" follows from the lesser of both gains. Random weights where none ship."""

LONG = """## Ten minutes of 1080p

A short clip repeated, without heatmaps; memory of one process above the model that has judged the short clip before."""

BASELINE = "import pydantic, yaml, time; t = time.perf_counter();"
DISCOVERY = (
    BASELINE
    + "import drishtiksha.registry, drishtiksha.detectors.discovery as d; d.discover(); print(time.perf_counter() - t)"
)
PAGE = (
    "import tempfile, time; folder = tempfile.TemporaryDirectory(); t = time.perf_counter();"
    "from drishtiksha.registry import ModelManager; from drishtiksha.settings import load_settings;"
    "from drishtiksha.services.workbench import Workbench; from drishtiksha.ui.blocks import build;"
    "s = load_settings(data_dir=folder.name); build(Workbench(s, ModelManager(s)));"
    "print(time.perf_counter() - t)"
)
PEAK = (
    "from bench.shelf import peak_mib;"
    "from drishtiksha.registry import ModelManager; from drishtiksha.settings import load_settings;"
    "d = ModelManager(load_settings(device='cpu')).load_model({model!r}); d.analyze('assets/portrait.jpg');"
    "print(peak_mib(lambda: d.analyze({clip!r})))"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    folder = shelf.CLIPS if shelf.CLIPS.is_dir() else ROOT / "assets"
    clips = sorted(folder.glob("*.mp4"))
    manager = ModelManager(load_settings(device="cpu"))
    parts = [
        "# Measured",
        f"{datetime.now(UTC):%Y-%m-%d}, {machine()}. Medians of {repeats}, {torch.get_num_threads()} threads, in one run of `make bench`.",
        versions(),
        start_up(manager, repeats),
        page.table(repeats),
        firstload.table(repeats),
        ENGINE,
        engine.table(repeats),
        *(on_clip(manager, clip, repeats) for clip in clips),
        batch.table(12),
    ]
    parts += [
        "## One clip of a batch\n\nWhat follows from it: docs/SCALE.md.",
        scale.renew(repeats).partition("\n\n")[0],
    ]
    if shelf.CLIPS.is_dir():
        parts += [SHELF, shelf.table(), shared.table(repeats), LONG, long.table()]
    text = "\n\n".join(parts)
    RESULTS.write_text(f"{text}\n\n{kept(RESULTS.read_text(encoding='utf-8'))}", encoding="utf-8")
    print(text)


def kept(results: str) -> str:
    """The part of RESULTS.md that other commands measured, each with its date and conditions."""
    return KEPT + results.partition(KEPT)[2]


def versions() -> str:
    return "Versions: " + ", ".join(f"{name} {number}" for name, number in library_versions().items()) + "."


def start_up(manager: ModelManager, repeats: int) -> str:
    """Discovery, the page, loading, and the cached get."""

    def load() -> None:
        manager.unload(MODEL)
        manager.load_model(MODEL)

    loading = median_s(load, repeats)
    calls = 100_000
    cached = min(timeit.repeat(lambda: manager.get_model(MODEL), number=calls, repeat=5)) / calls
    checkpoint = manager.get_active_model_configs()[MODEL].model_path
    reading = median_s(checkpoint.read_bytes, repeats)
    rows = [
        ("discovering every detector, over importing pydantic and yaml", f"{fresh_process(DISCOVERY, repeats):.3f} s"),
        ("building the page in a new process (no torch)", f"{fresh_process(PAGE, repeats):.2f} s"),
        (f"loading {MODEL}: hash, strict load, canary", f"{loading:.3f} s"),
        (f"reading its {checkpoint.stat().st_size / 1e6:.1f} MB once, for comparison", f"{reading:.4f} s"),
        ("a cached get", f"{cached * 1e6:.2f} us"),
    ]
    return "\n".join(["| start-up | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)])


def on_clip(manager: ModelManager, clip: Path, repeats: int) -> str:
    """Decoding, the stages of one analysis, and its peak memory."""
    limits = manager.settings.limits
    evidence = Evidence.open(clip, limits)
    frames = len(read_index(clip, limits=limits))
    wanted = evenly_spaced(frames, 32)

    def decode(indices: list[int] | None) -> None:
        with iter_frames(clip, indices, limits=limits) as stream:
            for _ in stream:
                pass

    detector = manager.load_model(MODEL)
    with shelf.recorded(detector) as again:
        _, cold, cold_cpu = timed(lambda: analyze(evidence, detector))
    runs = sorted((timed(lambda: analyze(evidence, detector)) for _ in range(repeats)), key=lambda run: run[1])
    middle, warm, warm_cpu = runs[len(runs) // 2]
    _, bare, bare_cpu = timed(again)
    stages = {stage: middle.stage_seconds.get(stage, 0.0) for stage in STAGES}
    needed = stages["decode"] + stages["faces"] + stages["forward"]
    without_maps = middle.processing_time - stages["explain"]
    size = f"{evidence.media.width}x{evidence.media.height}, {evidence.media.duration_s:.1f} s, {frames} frames"
    rows = [
        ("decoding every frame", f"{median_s(lambda: decode(None), repeats):.2f} s"),
        ("decoding 32 frames", f"{median_s(lambda: decode(wanted), repeats):.2f} s"),
        (f"{MODEL}, cold: wall, CPU", f"{cold:.2f}, {cold_cpu:.2f} s"),
        (f"{MODEL}, warm: wall, CPU", f"{warm:.2f}, {warm_cpu:.2f} s"),
        ("samples, faces judged", f"{len(middle.scores)}, {sum(len(score.faces) for score in middle.scores)}"),
        *((f"of it {STAGES[stage]}", f"{seconds:.2f} s") for stage, seconds in stages.items()),
        ("analysis without heatmaps / (decode + faces + forward)", f"{without_maps / needed:.2f}"),
        ("the bare network on such batches: wall, CPU", f"{bare:.2f}, {bare_cpu:.2f} s"),
        ("peak memory above the loaded model", f"{fresh_process(PEAK.format(model=MODEL, clip=str(clip)), 1):.0f} MiB"),
    ]
    return "\n".join([f"| {clip.name} ({size}) | |", "|---|---|", *(f"| {what} | {value} |" for what, value in rows)])


if __name__ == "__main__":
    main()
