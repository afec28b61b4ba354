"""Files of genuine moving video and of fakes made on it, with a manifest.

    python -m training.face_blend.film_media --data <folder with clips/ and portraits/> --out runs/face_blend/film

What is written stays on this machine. Goes on where an interrupted run stopped.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from training.face_blend.data import read_rgb
from training.face_blend.film import DELIVERIES, SMOOTHED, deliver, read_film, smoothed, stretches
from training.face_blend.film_fakes import Moment, follow, reenacted, swapped
from training.face_blend.heldout import MANIFEST, REPOSITORY, Row, split_of
from training.face_blend.heldout_fakes import Person, find_people

GENUINE, SWAP, MOUTH, EYES = "film_genuine", "film_swap", "film_mouth", "film_eyes"
CLIPS = ("clips/real_faces/*.mp4", "clips/*.mp4")
"""One person each; then scenes of several people, which are genuine files only."""
THIN = 2
"""Every second frame is kept, at half the rate."""
GENUINE_DELIVERIES, FAKE_DELIVERIES = 4, 2
SEED = 20261129


def clips(data: Path) -> list[tuple[Path, bool]]:
    """The clips, and whether one person is in each."""
    return [(path, not number) for number, pattern in enumerate(CLIPS) for path in sorted(data.glob(pattern))]


def _moments(path: Path, store: Path) -> list[tuple[list[Moment], float]]:
    """Each stretch of a clip, its faces followed; kept in `store`."""
    frames, fps = read_film(path)
    found = []
    for number, part in enumerate(stretches(len(frames), fps)):
        kept = store / f"{path.stem}_{number}.npz"
        if not kept.exists():
            made = follow(frames[part][::THIN], REPOSITORY / "models")
            none = np.full((468, 2), np.nan, np.float32)
            np.savez(
                kept,
                frames=np.stack([m.frame for m in made]),
                boxes=np.array([m.box or (np.nan,) * 4 for m in made]),
                meshes=np.stack([none if m.mesh is None else m.mesh for m in made]),
            )
        with np.load(kept) as stored:
            seen = ~np.isnan(stored["boxes"][:, 0])
            rows = zip(stored["frames"], stored["boxes"], stored["meshes"], seen, strict=True)
            found.append(
                (
                    [Moment(f, (b[0], b[1], b[2], b[3]) if s else None, m if s else None) for f, b, m, s in rows],
                    fps / THIN,
                )
            )
    return found


def _makes(
    moments: list[Moment], other: Person, driver: list[np.ndarray], seed: list[int]
) -> Iterator[tuple[str, list[np.ndarray]]]:
    yield SWAP, swapped(moments, other.region, [*seed, 1])
    yield MOUTH, reenacted(moments, driver, "mouth", [*seed, 2])
    yield EYES, reenacted(moments, driver, "eyes", [*seed, 3])


class FilmWriter:
    """All files of all clips. `write()` returns the manifest's path."""

    def __init__(self, data: Path, out: Path) -> None:
        self.data, self.out, self.rows = data, out, list[Row]()
        (out / "moments").mkdir(parents=True, exist_ok=True)

    def write(self) -> Path:
        names = split_of(REPOSITORY / "models", "test")[:40]
        people = find_people({n: read_rgb(self.data / "portraits" / n) for n in names}, REPOSITORY / "models")
        films = [(path, one, _moments(path, self.out / "moments")) for path, one in clips(self.data)]
        followed = [[m.mesh for part, _ in found for m in part if m.mesh is not None] for _, one, found in films if one]
        for number, (path, one, found) in enumerate(films):
            for stretch, (moments, fps) in enumerate(found):
                self._genuine(path.stem, number, stretch, moments, fps)
                if one:
                    driver = followed[(number + 1 + stretch) % len(followed)]
                    other = people[(2 * number + stretch) % len(people)]
                    self._fakes(path.stem, [number, stretch], moments, fps, other, driver)
        with (self.out / MANIFEST).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "label", "group", "source"])
            writer.writerows([row.file, row.label, row.group, row.source] for row in self.rows)
        return self.out / MANIFEST

    def _path(self, stem: str, stretch: int, kind: str, delivery: str, label: str) -> Path:
        path = self.out / f"{stem}_{stretch}_{kind}_{delivery}.mkv"
        self.rows.append(Row(path.name, label, f"{kind}/{delivery}", stem))
        return path

    def _genuine(self, stem: str, number: int, stretch: int, moments: list[Moment], fps: float) -> None:
        frames = [m.frame for m in moments]
        for step in range(GENUINE_DELIVERIES):
            delivery = list(DELIVERIES)[(number + stretch * GENUINE_DELIVERIES + step) % len(DELIVERIES)]
            path = self._path(stem, stretch, GENUINE, delivery, "real")
            shown = smoothed(frames, [m.mesh for m in moments], number) if delivery == SMOOTHED else frames
            if not path.exists():
                deliver(shown, fps, delivery, path)

    def _fakes(
        self, stem: str, seed: list[int], moments: list[Moment], fps: float, other: Person, driver: list[np.ndarray]
    ) -> None:
        names = [d for d in DELIVERIES if d != SMOOTHED]
        paths = {
            kind: [
                (d, self._path(stem, seed[1], kind, d, "fake"))
                for d in (names[(sum(seed) + order + 2 * k) % len(names)] for k in range(FAKE_DELIVERIES))
            ]
            for order, kind in enumerate((SWAP, MOUTH, EYES))
        }
        if all(path.exists() for some in paths.values() for _, path in some):
            return
        for kind, frames in _makes(moments, other, driver, [SEED, *seed]):
            for delivery, path in paths[kind]:
                deliver(frames, fps, delivery, path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="training.face_blend.film_media", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    print(json.dumps({"manifest": str(FilmWriter(given.data, given.out).write())}))


if __name__ == "__main__":
    main()
