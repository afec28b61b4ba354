"""Faces of pictures of people kept out, real and faked, for calibration and test without writing files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drishtiksha.faces.crop import face_crop
from drishtiksha.networks.efficientnet_lite import WIDE_MARGIN, WIDE_SIZE
from drishtiksha.results import FaceBox
from training.face_blend.data import read_rgb
from training.face_blend.degrade import jpeg
from training.face_blend.heldout import DELIVERIES, REPOSITORY, SEED, WORN, split_of
from training.face_blend.heldout_fakes import FAKES, Person, find_people
from training.face_blend.stress import STRESSES

STRESSED = ("brim_shadow", "hard_shadow", "motion_blur", "tilted")
FEW = {"swap": ("jpeg_70", "h264_crf28")}
"""How fakes arrive; other kinds as JPEG alone."""


@dataclass(frozen=True)
class Pictures:
    """N pictures. crops: uint8 (N, S, S, 3); fake: bool; kind: without the delivery; person: its portrait's file."""

    crops: np.ndarray
    fake: np.ndarray
    kind: np.ndarray
    person: np.ndarray


def _arrived(picture: np.ndarray, box: FaceBox, delivery: str) -> np.ndarray:
    """The crop of the face after a delivery. box: xyxy px in the picture."""
    way = DELIVERIES[delivery]
    made = way.change(picture)
    if way.quality is not None:
        made = jpeg(made, way.quality)
    factor = made.shape[1] / picture.shape[1]
    moved = (box[0] * factor, box[1] * factor, box[2] * factor, box[3] * factor)
    return face_crop(made, moved, WIDE_SIZE, WIDE_MARGIN)


def _made_of(people: list[Person], number: int) -> Iterator[tuple[bool, str, np.ndarray]]:
    person = people[number]
    for delivery in DELIVERIES:
        yield False, f"real/{delivery}", _arrived(person.frame, person.box, delivery)
    for index, name in enumerate(STRESSED):
        changed = STRESSES[name](person.frame, person.box, np.random.default_rng([SEED, number, 1000 + index]))
        yield False, f"real/{name}", _arrived(changed, person.box, "jpeg_70")
    worn = person.with_face(WORN[number % len(WORN)](*person.region, np.random.default_rng([SEED, number, 3000])))
    yield False, "real/worn", _arrived(worn, person.box, "jpeg_70")
    for index, (kind, make) in enumerate(FAKES.items()):
        rng = np.random.default_rng([SEED, number, index])
        other = people[(number + 1 + int(rng.integers(len(people) - 1))) % len(people)]
        made = person.with_face(make(person.region, other.region, rng).fake())
        for delivery in FEW.get(kind, ("jpeg_70",)):
            yield True, f"{kind}/{delivery}", _arrived(made, person.box, delivery)


def read_pictures(portraits: Path, split: str, n_people: int, store: Path) -> Pictures:
    """Of `n_people` of a split of V1, whose people V2 does not learn from either; kept in the file `store`."""
    if not store.exists():
        names = split_of(REPOSITORY / "models", split)
        names = [names[int(i)] for i in np.linspace(0, len(names) - 1, n_people)]
        people = find_people({name: read_rgb(portraits / name) for name in names}, REPOSITORY / "models")
        rows = [(person.name, *made) for n, person in enumerate(people) for made in _made_of(people, n)]
        whose, fake, kind, crops = zip(*rows, strict=True)
        np.savez(store, crops=np.stack(crops), fake=np.array(fake), kind=np.array(kind), person=np.array(whose))
    with np.load(store) as kept:
        return Pictures(**kept)
