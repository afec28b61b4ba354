"""Memory of a long clip: ten minutes of 1080p, made by repeating a short one without encoding it again.

`python -m bench.long NAME FILE` measures one model in this process and prints JSON; `python -m bench.long` measures all in
processes of their own and prints the table.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import av

from bench.measure import ROOT
from bench.shelf import CLIPS, STREET, peak_mib, stand_in
from drishtiksha.registry import ModelManager
from drishtiksha.settings import load_settings

if TYPE_CHECKING:
    from drishtiksha.detectors.base import Detector
    from drishtiksha.results import AnalysisResult

MINUTES = 10
MODELS = (
    "FACE-BLEND-LITE-V1",
    "VOICE-SPOOF-LITE-V1",
    "COLOR-CUES-LSTM-V1",
    "EYEBLINK-CNN-LSTM-V1",
    "CROSS-EFFICIENT-VIT-GAN",
    "SCATTERING-WAVE-V1",
    "MEL-SPECTROGRAM-CNN-V2",
    "STFT-SPECTROGRAM-CNN-V2",
    "AUDIO-MFT-CRNN-V1",
)
"""Those that end within minutes here; the others hold no more frames at a time."""


def table() -> str:
    """The rows as Markdown; a model that fails stands there with its reason."""
    rows = ["| model | peak MiB above the loaded model | samples | seconds |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        path = repeated(CLIPS / STREET, Path(folder) / "long.mp4", MINUTES * 60)
        for model in MODELS:
            command = [sys.executable, "-m", "bench.long", model, str(path)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            if done.returncode:
                rows.append(f"| {model} | failed: {done.stderr.strip().splitlines()[-1][:120]} |")
                continue
            found = json.loads(done.stdout.strip().splitlines()[-1])
            rows.append(f"| {model} | {found['peak_mib']:.0f} | {found['samples']} | {found['wall']:.0f} |")
    return "\n".join(rows)


def repeated(source: Path, target: Path, seconds: float) -> Path:
    """`source` over and over until it lasts so long; its packets are copied."""
    with av.open(str(target), "w") as out:
        with av.open(str(source)) as first:
            streams = {stream.index: out.add_stream_from_template(stream) for stream in first.streams}
            length = float((first.duration or 0) / av.time_base)
        for turn in range(round(seconds / length)):
            with av.open(str(source)) as clip:
                for packet in clip.demux():
                    if packet.dts is None or packet.pts is None or packet.time_base is None:
                        continue
                    shift = round(turn * length / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
    return target


def measure(model: str, path: Path) -> dict[str, float]:
    """Peak memory in MiB above the loaded model that has already judged a short clip, and what was done."""
    manager = ModelManager(load_settings(device="cpu"))
    if manager.status(model).embedded:
        return _peak(manager.load_model(model), path)
    with stand_in(model, {}) as detector:
        return _peak(detector, path)


def _peak(detector: Detector, path: Path) -> dict[str, float]:
    detector.analyze(CLIPS / STREET, explain=False)
    results: list[AnalysisResult] = []
    peak = peak_mib(lambda: results.append(detector.analyze(path, explain=False)))
    return {"peak_mib": peak, "samples": len(results[0].scores), "wall": results[0].processing_time}


def main() -> None:
    if len(sys.argv) == 1:
        print(table())
        return
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))


if __name__ == "__main__":
    main()
