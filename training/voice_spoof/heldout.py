"""Recordings of people, systems and languages that took no part in training, as files that listeners would get."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from zlib import crc32

import av
import numpy as np
import soundfile
import soxr
from av.audio.stream import AudioStream

from drishtiksha.settings import ROOT
from training.voice_spoof.cache import add_copies, add_recordings
from training.voice_spoof.codecs import CODECS, MESSENGERS
from training.voice_spoof.corpora import SOUNDS
from training.voice_spoof.dataset import maker_of
from training.voice_spoof.degrade import Chain, Step
from training.voice_spoof.index import SAMPLE_RATE, Recording, read_index, waveform

MODEL_NAME = "VOICE-SPOOF-LITE-V1"
RUN = ROOT / "models/reports" / MODEL_NAME / "run.json"
SEED = 20261124
REAL_FILES = 32
"""Recordings of each real corpus and language."""
FAKE_FILES = 12
"""Recordings of each system."""


@dataclass(frozen=True)
class Delivery:
    """How a recording reaches the listener. worn: through the chain of the training, seeded, before it is stored."""

    suffix: str
    codec: str = ""
    rate: int = SAMPLE_RATE
    bit_rate: int = 0
    worn: bool = False
    more: tuple[Step, ...] = ()
    """At the end of that chain."""


DELIVERIES = {
    "clean": Delivery(".flac"),
    "mp3_48k": Delivery(".mp3", "mp3", 24_000, 48_000),
    "opus_16k": Delivery(".ogg", "opus", 48_000, 16_000),
    "telephone": Delivery(".amr", "amr", 8_000, 12_200),
    "worn": Delivery(".flac", worn=True),
}


def write_heldout(data: Path, out: Path) -> Path:
    """Write the files of the test side that `RUN` lists, and `out`/manifest.csv; returns its path.

    The recordings come from the cache beside `out`. Where there is none, everything but the copies of the three neural
    vocoders is made anew from `data` and Debian's packages, and their absence is printed.
    """
    cache = out.parent / "cache"
    if not read_index(cache):
        add_recordings(data, SOUNDS, cache)
        add_copies(cache)
    rows = chosen(read_index(cache), json.loads(RUN.read_text())["split"]["test"])
    made = {row.system for row in rows}
    missing = sorted(set(json.loads(RUN.read_text())["test_systems"]) - made)
    if missing:
        print(f"Not in {cache}, so not judged: {', '.join(missing)}. python -m training.voice_spoof makes them.")
    return write_files(rows, cache, out, REAL_FILES, FAKE_FILES)


def chosen(rows: Iterable[Recording], names: Iterable[str]) -> list[Recording]:
    """The rows that `names` lists, and what was made of them; without what went through a codec."""
    listed = set(names)
    return without_codecs(row for row in rows if row.path in listed or row.origin in listed)


def without_codecs(rows: Iterable[Recording]) -> list[Recording]:
    """Leaves out copies that went through a codec, since the deliveries do that."""
    return [row for row in rows if not row.codec]


def group_of(row: Recording) -> str:
    """What is reported together: the system of a fake, a vocoder in all its states; corpus and language of a real one."""
    return maker_of(row) if row.fake else f"real-{row.corpus}-{row.language}"


def write_files(
    rows: Sequence[Recording],
    cache: Path,
    out: Path,
    reals: int,
    fakes: int,
    deliveries: Mapping[str, Delivery] = DELIVERIES,
) -> Path:
    """Write at most so many recordings of each group in every delivery, and `out`/manifest.csv; returns its path."""
    out.mkdir(parents=True, exist_ok=True)
    manifest = out / "manifest.csv"
    lines = [
        (_write(row, name, delivery, cache, out), row.label, f"{group_of(row)}/{name}", row.speaker)
        for row in _drawn(rows, reals, fakes)
        for name, delivery in deliveries.items()
    ]
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "group", "source"])
        writer.writerows(lines)
    return manifest


def _drawn(rows: Sequence[Recording], reals: int, fakes: int) -> Iterator[Recording]:
    """Speakers in turn, so that as many as possible are heard."""
    groups: defaultdict[str, list[Recording]] = defaultdict(list)
    for row in rows:
        groups[group_of(row)].append(row)
    for name, members in sorted(groups.items()):
        order = np.random.default_rng([SEED, len(members), len(name)]).permutation(len(members))
        turns: defaultdict[str, int] = defaultdict(int)
        ranks: dict[int, int] = {}
        for member in order:
            turns[members[member].speaker] += 1
            ranks[int(member)] = turns[members[member].speaker]
        ranked = sorted(ranks, key=ranks.__getitem__)
        yield from (members[member] for member in ranked[: fakes if members[0].fake else reals])


def _write(row: Recording, name: str, delivery: Delivery, cache: Path, out: Path) -> str:
    """Write one file, unless it is there; its name relative to `out`."""
    file = f"{group_of(row)}/{row.corpus}_{Path(row.path).stem}_{name}{delivery.suffix}"
    path = out / file
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = waveform(cache, row)
        if delivery.worn:
            samples = Chain(more=delivery.more)(samples, [SEED, crc32(row.path.encode())])
        part = path.with_name(f"part-{path.name}")
        if delivery.codec:
            write_coded(part, samples, delivery)
        else:
            soundfile.write(part, samples, SAMPLE_RATE)
        part.replace(path)
    return file


def write_coded(path: Path, samples: np.ndarray, delivery: Delivery) -> None:
    """Encode float32 (n,) at SAMPLE_RATE as the delivery says."""
    codec = (CODECS | MESSENGERS)[delivery.codec]
    sent = np.clip(soxr.resample(samples, SAMPLE_RATE, delivery.rate, quality="HQ"), -1, 1)
    values = (sent * 32767).astype(np.int16) if codec.sample_format == "s16" else sent.astype(np.float32)
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:  # else Ogg draws a number
        stream = cast(AudioStream, container.add_stream(codec.encoder, rate=delivery.rate))
        stream.codec_context.layout, stream.codec_context.format = "mono", codec.sample_format
        stream.bit_rate = delivery.bit_rate
        frame = av.AudioFrame.from_ndarray(values[None], format=codec.sample_format, layout="mono")
        frame.sample_rate, frame.pts = delivery.rate, 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
