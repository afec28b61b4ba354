"""Whole portraits of people kept out, genuine and reconstructed, as the files that somebody would get."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import torch

from drishtiksha.faces.detect import BlazeFaceFinder
from training.face_blend.data import read_rgb
from training.face_synth.chain import as_sharp_as, resampled
from training.face_synth.generate import MIN_SHRINK, load_autoencoder
from training.face_synth.generators import RECIPES, Autoencoder, reconstruct

NAME = "FACE-SYNTH-LITE-V1"
REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "models"
GENERATORS = REPOSITORY / "runs" / "face_synth" / "generators"
MANIFEST = "manifest.csv"
SEED = 20261126
FACE_PX = (90, 230)
"""Range of the face's longer side in these files."""
MOST_PEOPLE = 60
RECIPES_A_PERSON = 2
"""Of the autoencoders trained on, in turn; those kept out reconstruct everybody."""
CLIP_FRAMES = 6
CLIP_CRF = 23

Write = Callable[[np.ndarray, Path], Path]


def _save(image: np.ndarray, stem: Path, quality: int | None = None, factor: float = 1.0) -> Path:
    """As JPEG of this quality, or PNG for None, after making it smaller by `factor`. Returns the file."""
    if factor != 1:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    path = stem.with_name(stem.name + (".png" if quality is None else ".jpg"))
    flags = [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]), flags)
    return path


DELIVERIES: dict[str, Write] = {
    "clean": _save,
    "jpeg_90": partial(_save, quality=90),
    "jpeg_70": partial(_save, quality=70),
    "resized_0.75_jpeg_80": partial(_save, quality=80, factor=0.75),
}
FEW = ("clean", "jpeg_70", "resized_0.75_jpeg_80")
"""How the fakes of autoencoders trained on arrive."""
FEWEST = ("clean", "jpeg_70")
"""How genuine pictures that were filtered or resampled arrive."""


def split_of(name: str) -> list[str]:
    """The portraits of one split (train, val, test), as the run that made the weights recorded them."""
    run = json.loads((MODELS / "reports" / NAME / "run.json").read_text())
    return run["split"][name]


def _even(image: np.ndarray) -> np.ndarray:
    height, width = (side // 8 * 8 for side in image.shape[:2])
    return np.ascontiguousarray(image[:height, :width])


def _clean_portrait(path: Path, finder: BlazeFaceFinder, rng: np.random.Generator) -> np.ndarray | None:
    """The portrait, at least MIN_SHRINK times smaller, sides divisible by 8; None where that leaves too small a face."""
    portrait = read_rgb(path)
    faces = finder.find(portrait)
    if not faces:
        return None
    x0, y0, x1, y1 = faces[0].box
    longest = max(x1 - x0, y1 - y0)
    most = min(FACE_PX[1], longest / MIN_SHRINK)
    if most < FACE_PX[0]:
        return None
    factor = float(np.exp(rng.uniform(np.log(FACE_PX[0]), np.log(most)))) / longest
    return _even(cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))


def _made(autoencoder: Autoencoder, image: np.ndarray) -> np.ndarray:
    return reconstruct(autoencoder, torch.from_numpy(image)[None])[0].numpy()


def _write_clip(frames: list[np.ndarray], path: Path) -> Path:
    """As H.264, 25 frames per second."""
    with av.open(str(path), "w") as out:
        options = {"crf": str(CLIP_CRF), "preset": "veryfast", "threads": "1"}
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    return path


class Writer:
    """Writes the files of one person after another. kept_out: with the autoencoders that stay out of training."""

    def __init__(self, generators: Path, out: Path, kept_out: bool) -> None:
        self.out = out
        self.trained = [recipe for recipe in RECIPES if not recipe.kept_out]
        self.always = [recipe for recipe in RECIPES if recipe.kept_out and kept_out]
        needed = [*self.trained, *self.always]
        self.autoencoders = {recipe.name: load_autoencoder(recipe, generators, "late") for recipe in needed}

    def person(self, number: int, image: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[Path, str, str]]:
        """Write everything made of one clean portrait; yields file, label and group."""
        turn = [self.trained[(number * RECIPES_A_PERSON + k) % len(self.trained)] for k in range(RECIPES_A_PERSON)]
        fakes = {recipe: _made(self.autoencoders[recipe.name], image) for recipe in (*self.always, *turn)}
        yield from self._pictures(number, image, "real", "real", tuple(DELIVERIES))
        chosen = list(fakes)[number % len(fakes)]
        soft = as_sharp_as(image, fakes[chosen])
        yield from self._pictures(number, soft, "real", "real_softened", FEWEST)
        yield from self._pictures(number, resampled(image, rng), "real", "real_resampled", FEWEST)
        for recipe, fake in fakes.items():
            how = tuple(DELIVERIES) if recipe.kept_out else FEW
            yield from self._pictures(number, fake, "fake", recipe.name, how)
        yield self._clip(number, image, None)
        yield self._clip(number, image, chosen.name)

    def _pictures(
        self, number: int, image: np.ndarray, label: str, kind: str, how: tuple[str, ...]
    ) -> Iterator[tuple[Path, str, str]]:
        for delivery in how:
            group = f"{kind}/{delivery}"
            yield DELIVERIES[delivery](image, self._stem(group, number)), label, group

    def _clip(self, number: int, image: np.ndarray, recipe: str | None) -> tuple[Path, str, str]:
        """The picture moving by a pixel a frame; a fake is reconstructed frame by frame, as generators of video do."""
        height, width = (side - 8 for side in image.shape[:2])
        frames = [np.ascontiguousarray(image[k : k + height, k : k + width]) for k in range(CLIP_FRAMES)]
        if recipe:
            frames = [_made(self.autoencoders[recipe], frame) for frame in frames]
        group = f"{recipe or 'real'}/h264_crf{CLIP_CRF}"
        return _write_clip(frames, self._stem(group, number).with_suffix(".mp4")), "fake" if recipe else "real", group

    def _stem(self, group: str, number: int) -> Path:
        folder = self.out / group
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{number:04d}"


def write_media(portraits: Path, names: list[str], generators: Path, out: Path, *, kept_out: bool) -> Path:
    """Write the files of the first MOST_PEOPLE of these portraits and `out`/manifest.csv; returns its path.

    kept_out: with the autoencoders that stay out of training and calibration. Raises: FileNotFoundError without the
    autoencoders.
    """
    out.mkdir(parents=True, exist_ok=True)
    writer, finder = Writer(generators, out, kept_out), BlazeFaceFinder(MODELS)
    lines = []
    for number, name in enumerate(names[:MOST_PEOPLE]):
        rng = np.random.default_rng([SEED, number])
        image = _clean_portrait(portraits / name, finder, rng)
        if image is not None:
            lines += [(str(p.relative_to(out)), label, g, name) for p, label, g in writer.person(number, image, rng)]
    with (out / MANIFEST).open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label", "group", "source"])
        rows.writerows(lines)
    return out / MANIFEST


def write_heldout(data: Path, out: Path) -> Path:
    """Write the files of the test people and the manifest; returns its path. data: holds portraits/.

    Raises: FileNotFoundError without `runs/face_synth/generators`: the autoencoders are not in the repository.
    """
    return write_media(data / "portraits", split_of("test"), GENERATORS, out, kept_out=True)
