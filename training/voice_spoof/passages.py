"""Forged passages inside genuine speech: how many VOICE-SPOOF-LITE-V2 finds when it judges second by second.

    python -m training.voice_spoof.passages --data ../shared/data

Nothing is trained. Each 0.5 s, mean and spread of the encoder's states over 1 s go to the head that ships; the mean over
`PASSAGE_S` is a passage's score. A recording is spliced from three that were published for one voice: a prompt, a sentence as a
system read it, and the prompt again; its genuine twin has the sentence as the person read it. The threshold allows one false
alarm an hour on people of the training and calibration sides; figures are of people and sentences of the test side. Writes
`passages` of `models/reports/VOICE-SPOOF-LITE-V2/run.json`, for the card.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch

from drishtiksha.evaluation.metrics import auc
from drishtiksha.media.audio import read_audio
from drishtiksha.networks.voice_spoof import preprocess_voice
from drishtiksha.networks.voice_whisper import FRAMES_PER_SECOND, VoiceWhisperNetwork, coarse, statistics
from drishtiksha.settings import ROOT, MediaLimits
from drishtiksha.weights.loading import load_state_dict
from training.voice_spoof.corpora import TABLES, trimmed
from training.voice_spoof.heldout import Delivery, write_coded
from training.voice_spoof.heldout_second import RUN, SECOND_DELIVERIES
from training.voice_spoof.index import SAMPLE_RATE

WEIGHTS = ROOT / "models/VOICE-SPOOF-LITE-V2.safetensors"
POOL_S, HOP_S, WINDOW_S, PASSAGE_S = 1.0, 0.5, 4.0, 3.0
LONGEST_S = 8.0
"""Of a forged passage."""
LEVEL = 0.05
"""Root mean square of each piece."""
QUIET = 0.1
"""A second of less than so much of a recording's level is not heard."""
FADE = 80
"""Samples, 5 ms, over which pieces are joined."""
COLUMNS = {331: "b", 347: "b", 427: "b", 451: "b", 583: "d"}
"""Of the E1 TTS page, systems that neither training nor calibration heard: NaturalSpeech 2, FlashSpeech, NaturalSpeech 3,
MegaTTS 2 and CosyVoice; first line in speech/index.csv and table."""
PEOPLE = {"b": (379, 431), "d": (503, 563)}
"""First lines of what people read themselves, and of the prompts."""
KINDS = ("absolute", "relative")
"""A passage's score, or how far it lies above the median second of its recording."""


@dataclass(frozen=True)
class Piece:
    """One recording. forged: begin and end of the passage, s; None in a genuine one. known: its people were heard in training
    or calibration."""

    waveform: np.ndarray
    system: str
    known: bool
    forged: tuple[float, float] | None = None


def pieces(data: Path) -> Iterator[Piece]:
    """Spliced recordings, their twins, and LibriSpeech as it is."""
    with (data / "speech/index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    test = set(json.loads(RUN.read_text())["split"]["test"])

    def read(number: int) -> np.ndarray:
        samples, rate = soundfile.read(data / "speech" / rows[number]["file"], dtype="float32")
        sound = trimmed(soxr.resample(samples, rate, SAMPLE_RATE, quality="HQ") if rate != SAMPLE_RATE else samples)
        return sound * (LEVEL / max(float(np.sqrt(np.mean(sound**2))), 1e-6))

    for first, table, places in TABLES:
        if COLUMNS.get(first) != table:
            continue
        for number, place in enumerate(places, first):
            system = rows[number]["system"]
            known = f"libritts/{system}/{number:04d}.npy" not in test
            prompt = read(PEOPLE[table][1] + place)
            for line, forged in ((number, True), (PEOPLE[table][0] + place, False)):
                sentence = read(line)[: round(LONGEST_S * SAMPLE_RATE)]
                span = len(prompt) / SAMPLE_RATE, (len(prompt) + len(sentence)) / SAMPLE_RATE
                if span[1] - span[0] >= PASSAGE_S:
                    yield Piece(joined([prompt, sentence, prompt]), system, known, span if forged else None)
    for number, row in enumerate(rows):
        if "librispeech" in row["file"]:
            yield Piece(read(number), "human", f"librispeech/human/{number:04d}.npy" not in test)


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """One after the other, faded in and out."""
    ramp = np.linspace(0, 1, FADE, dtype=np.float32)
    faded = [part.copy() for part in parts]
    for part in faded:
        part[:FADE] *= ramp
        part[-FADE:] *= ramp[::-1]
    return np.concatenate(faded)


def delivered(waveform: np.ndarray, delivery: Delivery) -> np.ndarray:
    """As it reaches the listener."""
    if not delivery.codec:
        return waveform
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{delivery.suffix}"
        write_coded(path, waveform, delivery)
        return read_audio(path, SAMPLE_RATE, limits=MediaLimits())


@torch.inference_mode()
def by_second(network: VoiceWhisperNetwork, waveform: np.ndarray) -> np.ndarray:
    """Logits (n,) of the seconds that begin each `HOP_S`; nan where one is quiet."""
    window, hop = round(WINDOW_S * SAMPLE_RATE), round(WINDOW_S / 2 * SAMPLE_RATE)
    last = max(len(waveform) - window, 0)
    starts = [min(start, last) for start in range(0, last + hop, hop)]
    batch = torch.stack([coarse(preprocess_voice(waveform[start : start + window])) for start in starts])
    states = network.features(network.spectrogram(batch))
    level, frames = float(np.sqrt(np.mean(waveform**2))), round(POOL_S * FRAMES_PER_SECOND)
    pooled, heard = [], []
    for begin in np.arange(0, len(waveform) / SAMPLE_RATE - POOL_S + 1e-9, HOP_S):
        middle = (begin + POOL_S / 2) * SAMPLE_RATE
        best = min(range(len(starts)), key=lambda i: abs(starts[i] + window / 2 - middle))
        first = min(max(round((begin - starts[best] / SAMPLE_RATE) * FRAMES_PER_SECOND), 0), states.shape[-1] - frames)
        pooled.append(statistics(states[best : best + 1, :, :, first : first + frames]))
        second = waveform[round(begin * SAMPLE_RATE) : round((begin + POOL_S) * SAMPLE_RATE)]
        heard.append(float(np.sqrt(np.mean(second**2))) > QUIET * level)
    logits = network.head.judge(torch.cat(pooled)).numpy()
    return np.where(heard, logits, np.nan)


def passages(logits: np.ndarray, kind: str) -> np.ndarray:
    """(n,) scores of the passages that begin each `HOP_S`; -inf where most of one is quiet."""
    count = round((PASSAGE_S - POOL_S) / HOP_S) + 1
    if len(logits) < count:
        return np.zeros(0)
    values = np.lib.stride_tricks.sliding_window_view(
        logits - (np.nanmedian(logits) if kind == "relative" else 0), count
    )
    enough = np.isfinite(values).sum(axis=1) * 2 > count
    return np.where(enough, np.nanmean(np.where(enough[:, None], values, 0), axis=1), -np.inf)


def alarms(scores: np.ndarray, threshold: float) -> int:
    """How many times passages reach the threshold; those that follow on each other count once."""
    above = scores >= threshold
    return int(above[:1].sum() + (above[1:] & ~above[:-1]).sum())


def threshold_for(genuine: list[np.ndarray], hours: float) -> float:
    """The lowest at which genuine recordings give one alarm an hour at most."""
    values = np.unique(np.concatenate([scores[np.isfinite(scores)] for scores in genuine]))[::-1]
    lowest = np.nextafter(values[0], np.inf)
    for value in values:  # from the top: far below it, all of a recording is one alarm
        if sum(alarms(scores, value) for scores in genuine) > hours:
            break
        lowest = value
    return float(lowest)


def found(piece: Piece, scores: np.ndarray, threshold: float) -> bool:
    """Whether a passage that lies in the forged one for its larger part is called."""
    assert piece.forged is not None
    begins = np.arange(len(scores)) * HOP_S
    inside = np.minimum(begins + PASSAGE_S, piece.forged[1]) - np.maximum(begins, piece.forged[0])
    return bool((scores[inside > PASSAGE_S / 2] >= threshold).any())


def measure(data: Path) -> dict[str, dict[str, object]]:
    """Detection and false alarms an hour, by kind of score and delivery."""
    network = VoiceWhisperNetwork().eval()
    network.load_state_dict(load_state_dict(WEIGHTS), strict=True)
    every = list(pieces(data))
    report: dict[str, dict[str, object]] = {kind: {} for kind in KINDS}
    for name in ("clean", "message_9k"):
        logits = [by_second(network, delivered(piece.waveform, SECOND_DELIVERIES[name])) for piece in every]
        for kind in KINDS:
            pairs = [(piece, passages(one, kind)) for piece, one in zip(every, logits, strict=True)]
            report[kind][name] = figures(pairs)
    return report


def figures(pairs: list[tuple[Piece, np.ndarray]]) -> dict[str, object]:
    """Threshold from known people, all else from the others."""

    def hours(chosen: list[tuple[Piece, np.ndarray]]) -> float:
        return sum(len(piece.waveform) for piece, _ in chosen) / SAMPLE_RATE / 3600

    genuine = {
        side: [pair for pair in pairs if pair[0].forged is None and pair[0].known is side] for side in (True, False)
    }
    spliced = {side: [pair for pair in pairs if pair[0].forged and pair[0].known is side] for side in (True, False)}
    threshold = threshold_for([scores for _, scores in genuine[True]], hours(genuine[True]))
    count = sum(alarms(scores, threshold) for _, scores in genuine[False])
    hits = [(piece.system, found(piece, scores, threshold)) for piece, scores in spliced[False]]
    highest = [(0, scores.max(initial=-1e9)) for _, scores in genuine[False]] + [
        (1, s.max(initial=-1e9)) for _, s in spliced[False]
    ]
    ranked = auc(np.array([one[0] for one in highest]), np.array([one[1] for one in highest]))
    known = spliced[True]
    return {
        "threshold": round(threshold, 3),
        "set_on_hours": round(hours(genuine[True]), 2),
        "known_found": sum(found(piece, scores, threshold) for piece, scores in known),
        "known": len(known),
        "found": sum(hit for _, hit in hits),
        "forged": len(hits),
        "found_by_system": {
            name: sum(hit for one, hit in hits if one == name) for name in sorted({one for one, _ in hits})
        },
        "false_alarms": count,
        "genuine": len(genuine[False]),
        "hours": round(hours(genuine[False]), 2),
        "auc": None if ranked is None else round(ranked, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds speech/")
    run = json.loads(RUN.read_text())
    run["passages"] = measure(parser.parse_args().data)
    RUN.write_text(json.dumps(run, indent=1) + "\n")
    print(json.dumps(run["passages"], indent=1))


if __name__ == "__main__":
    main()
