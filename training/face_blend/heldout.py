"""The media that the network is judged by: whole portraits and clips of people kept out, real and faked, as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from training.face_blend.data import read_rgb
from training.face_blend.degrade import h264
from training.face_blend.heldout_clips import CRFS, clip
from training.face_blend.heldout_fakes import FAKES, Person, find_people
from training.face_blend.scene import beard, beautify, glasses, hand, make_up
from training.face_blend.stress import STRESSES

NAME = "FACE-BLEND-LITE-V1"
REPOSITORY = Path(__file__).resolve().parents[2]
MANIFEST = "manifest.csv"
SEED = 20261125
"""Of everything that is drawn for these files; training has another."""


@dataclass(frozen=True)
class Delivery:
    """How a picture arrives: changed, then as a file of this kind. quality: of a JPEG, 1-100; None is a PNG."""

    change: Callable[[np.ndarray], np.ndarray]
    quality: int | None = None

    def write(self, picture: np.ndarray, stem: Path) -> Path:
        """Write an RGB picture beside `stem`; returns the file."""
        bgr = np.ascontiguousarray(self.change(picture)[..., ::-1])
        path = stem.with_name(stem.name + (".png" if self.quality is None else ".jpg"))
        flags = [] if self.quality is None else [cv2.IMWRITE_JPEG_QUALITY, self.quality]
        cv2.imwrite(str(path), bgr, flags)
        return path


def _same(picture: np.ndarray) -> np.ndarray:
    return picture


def _half(picture: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


DELIVERIES: dict[str, Delivery] = {
    "clean": Delivery(_same),
    "jpeg_70": Delivery(_same, 70),
    "jpeg_30": Delivery(_same, 30),
    "resized_0.5_jpeg_70": Delivery(_half, 70),
    "h264_crf28": Delivery(partial(h264, crf=28, frames=3, step=(1.5, 0.5))),
}
WORN = (glasses, hand, make_up, beard, beautify)
"""One of these on each person's own face, as in training."""
UNKNOWN_KINDS = {"multiband_swap": "swaps blended band by band, a kind that training never draws"}
"""By the beginning of their groups; `training.publish` measures how many of them are missed."""
SWAPPED_EVERY = 2
"""One person in so many has a swapped clip besides the real one."""
FEW = ("clean", "jpeg_70")
"""How the kinds of fake other than the plain swap arrive."""


@dataclass(frozen=True)
class Row:
    """One line of the manifest."""

    file: str
    label: str
    group: str
    source: str


def split_of(models: Path, name: str) -> list[str]:
    """The portraits of one split (train, val, test), as the run that made the weights recorded them."""
    run = json.loads((models / "reports" / NAME / "run.json").read_text())
    return [str(portrait) for portrait in run["split"][name]]


def _pictures(people: list[Person], number: int) -> Iterator[tuple[str, str, np.ndarray, str]]:
    """(label, kind, picture, delivery) of everything that is made of one person."""
    person = people[number]
    for delivery in DELIVERIES:
        yield "real", "real", person.frame, delivery
    for index, (name, change) in enumerate(STRESSES.items()):
        rng = np.random.default_rng([SEED, number, 1000 + index])
        yield "real", f"real/{name}", change(person.frame, person.box, rng), "jpeg_70"
    worn = WORN[number % len(WORN)](*person.region, np.random.default_rng([SEED, number, 3000]))
    yield "real", "real/worn", person.with_face(worn), "jpeg_70"
    for index, (kind, make) in enumerate(FAKES.items()):
        rng = np.random.default_rng([SEED, number, index])
        other = people[(number + 1 + int(rng.integers(len(people) - 1))) % len(people)]
        made = person.with_face(make(person.region, other.region, rng).fake())
        for delivery in DELIVERIES if kind == "swap" else FEW:
            yield "fake", kind, made, delivery
        if kind == "swap":
            shaded = STRESSES["hard_shadow"](made, person.box, np.random.default_rng([SEED, number, 1000]))
            yield "fake", "swap/hard_shadow", shaded, "jpeg_70"


def _write_clips(people: list[Person], number: int, out: Path) -> Iterator[Row]:
    """A real clip of everyone, and of some a swapped one too."""
    crf, person = CRFS[number % len(CRFS)], people[number]
    for label in ("real", "fake") if number % SWAPPED_EVERY == 0 else ("real",):
        rng = np.random.default_rng([SEED, number, 2000])
        other = people[(number + 1 + int(rng.integers(len(people) - 1))) % len(people)]
        group = f"clip_{'real' if label == 'real' else 'swap'}/crf{crf}"
        path = out / f"{Path(person.name).stem}_{group.replace('/', '_')}.mp4"
        clip(person, other if label == "fake" else None, crf, rng, path)
        yield Row(path.name, label, group, person.name)


def write_media(portraits: Path, names: list[str], models: Path, out: Path) -> Path:
    """Pictures and clips of these people as files in `out`, and a manifest of them; the same for the same people.

    Returns the manifest's path.
    """
    out.mkdir(parents=True, exist_ok=True)
    people = find_people({name: read_rgb(portraits / name) for name in names}, models)
    rows: list[Row] = []
    for number, person in enumerate(people):
        for label, kind, picture, delivery in _pictures(people, number):
            group = kind if "/" in kind else f"{kind}/{delivery}"
            path = DELIVERIES[delivery].write(picture, out / f"{Path(person.name).stem}_{group.replace('/', '_')}")
            rows.append(Row(path.name, label, group, person.name))
        rows += _write_clips(people, number, out)
    with (out / MANIFEST).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "group", "source"])
        writer.writerows([row.file, row.label, row.group, row.source] for row in rows)
    return out / MANIFEST


def write_heldout(data: Path, out: Path) -> Path:
    """Files of the test split, which was used neither for training nor for any choice. data: holds portraits/."""
    models = REPOSITORY / "models"
    return write_media(data / "portraits", split_of(models, "test"), models, out)
