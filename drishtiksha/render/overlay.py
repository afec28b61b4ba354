"""Face boxes with their person and score on a frame."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from drishtiksha.results import FaceBox, FaceScore, SampleScore, Thresholds

BOX = (255, 214, 10)
INK = (12, 14, 18)
MUTED_BOX = (226, 230, 236)


FEW = 2
"""So many faces have their score in the picture; of more, labels would cover each other and the faces."""
LABEL = 0.08
"""Height of the text of a picture's height: 11 px where a composed picture is shown 330 px wide, as on a phone."""
MOST_LISTED = 12

Place = tuple[float, float, float, float]
"""xyxy px of a label."""


def face_label(face: FaceScore) -> str:
    """ "Person 2 · 0.87", or the score alone in a picture."""
    return f"{f'Person {face.person} · ' if face.person is not None else ''}{face.p_fake:.2f}"


def face_labels(faces: Sequence[FaceScore]) -> list[str]:
    """What stands at each face: of a few `face_label`, else the number of the person, in a picture that of the rank."""
    if len(faces) <= FEW:
        return [face_label(face) for face in faces]
    ranks = {id(face): rank for rank, face in enumerate(_ranked(faces), 1)}
    return [str(ranks[id(face)] if face.person is None else face.person) for face in faces]


def legend(faces: Sequence[FaceScore]) -> str:
    """The scores that do not stand in the picture, "2: 0.87, 1: 0.12", the highest first; "" where they do."""
    if len(faces) <= FEW:
        return ""
    labels = dict(zip(map(id, faces), face_labels(faces), strict=True))
    listed = ", ".join(f"{labels[id(face)]}: {face.p_fake:.2f}" for face in _ranked(faces)[:MOST_LISTED])
    return listed + (f" and {len(faces) - MOST_LISTED} more" if len(faces) > MOST_LISTED else "")


def _ranked(faces: Sequence[FaceScore]) -> list[FaceScore]:
    return sorted(faces, key=lambda face: -face.p_fake)


def draw_faces(image: np.ndarray, faces: Sequence[FaceScore], thresholds: Thresholds) -> np.ndarray:
    """A copy of `image` (RGB uint8 (H, W, 3)) with a labelled box round each face; a face at or above the `fake`
    threshold has a thick yellow box, the others a thin pale one. No label covers another; one that finds no room at its face
    stands further away, with a line to it."""
    picture = Image.fromarray(image).convert("RGB")
    draw = ImageDraw.Draw(picture)
    scale = max(image.shape[0], image.shape[1]) / 900
    labels = dict(zip(map(id, faces), face_labels(faces), strict=True))
    for face in reversed(_ranked(faces)):
        line = max(2, round((5 if face.p_fake >= thresholds.fake else 3) * scale))
        left, top, right, bottom = face.face_box
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=INK, width=line + 2)
        draw.rectangle((left, top, right, bottom), outline=_colour(face, thresholds), width=line)
    longest = max(map(len, labels.values()), default=1)
    size = max(13, round(min(LABEL * image.shape[0], image.shape[1] / (0.62 * longest))))
    font, taken = ImageFont.load_default(size=size), list[Place]()
    for face in _ranked(faces):
        others = [one.face_box for one in faces if one is not face]
        taken.append(_label(draw, labels[id(face)], face, font, others, taken, _colour(face, thresholds)))
    return np.asarray(picture)


def _colour(face: FaceScore, thresholds: Thresholds) -> tuple[int, int, int]:
    return BOX if face.p_fake >= thresholds.fake else MUTED_BOX


def crop_around(image: np.ndarray, box: FaceBox, margin: float) -> np.ndarray:
    """The square part of `image` around a box, widened by `margin` of its size on each side and cut at the edges.

    Raises: ValueError when the box lies outside the picture.
    """
    left, top, right, bottom = square_region(box, image.shape[1], image.shape[0], margin)
    if right <= left or bottom <= top:
        raise ValueError(f"the box {box} lies outside the picture of {image.shape[1]} x {image.shape[0]} px")
    return image[top:bottom, left:right]


def square_region(box: FaceBox, width: int, height: int, margin: float) -> tuple[int, int, int, int]:
    """Integer xyxy of the square that `crop_around` cuts from a `width` x `height` px picture."""
    centre_x, centre_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = max(box[2] - box[0], box[3] - box[1]) / 2 * (1 + 2 * margin)
    return (
        max(0, round(centre_x - half)),
        max(0, round(centre_y - half)),
        min(width, round(centre_x + half)),
        min(height, round(centre_y + half)),
    )


def most_suspicious_face(score: SampleScore) -> FaceScore | None:
    """The face with the highest p_fake of a sample; None without faces."""
    return max(score.faces, key=lambda face: face.p_fake, default=None)


def _label(
    draw: ImageDraw.ImageDraw,
    text: str,
    face: FaceScore,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    others: Sequence[FaceBox],
    taken: Sequence[Place],
    colour: tuple[int, int, int],
) -> Place:
    """Write a label; where it stands."""
    x0, y0, x1, y1 = draw.textbbox((0, 0), text, font=font)
    pad = max(3, round((y1 - y0) * 0.2))
    width, height = x1 - x0 + 2 * pad, y1 - y0 + 2 * pad
    at = label_place(face.face_box, (width, height), draw.im.size, others, taken)
    left, top, right, bottom = face.face_box
    near = (min(max((at[0] + at[2]) / 2, left), right), min(max((at[1] + at[3]) / 2, top), bottom))
    draw.line((*near, (at[0] + at[2]) / 2, (at[1] + at[3]) / 2), fill=colour, width=max(2, pad // 2))
    draw.rectangle(at, fill=colour, outline=INK)
    draw.text((at[0] + pad - x0, at[1] + pad - y0), text, fill=INK, font=font)
    return at


def label_place(
    box: FaceBox, size: tuple[float, float], picture: tuple[int, int], others: Sequence[FaceBox], taken: Sequence[Place]
) -> Place:
    """Where a label of (width, height) px stands: at a side of its face, else in the nearest free place; on no other label,
    and on no other face while there is room elsewhere."""
    width, height = size
    left, top, right, bottom = box
    sides = [
        (left, top - height),
        (right - width, top - height),
        (left, bottom),
        (right - width, bottom),
        (right, top),
        (left - width, top),
        (min(max(0.0, left), picture[0] - width), top),
    ]
    middle = ((left + right - width) / 2, (top + bottom - height) / 2)
    steps = [(angle, ring) for ring in range(1, 40) for angle in range(0, 360, 30)]
    further = [
        (middle[0] + ring * height * math.cos(math.radians(a)), middle[1] + ring * height * math.sin(math.radians(a)))
        for a, ring in steps
    ]
    for avoided in ([*taken, *others], list(taken)):
        for x, y in (*sides, *further):
            at = (x, y, x + width, y + height)
            inside = x >= 0 and y >= 0 and at[2] <= picture[0] and at[3] <= picture[1]
            if inside and not any(_touch(at, other) for other in avoided):
                return at
    x, y = min(max(0.0, left), max(0.0, picture[0] - width)), min(max(0.0, top - height), max(0.0, picture[1] - height))
    return (x, y, x + width, y + height)


def _touch(a: Place, b: Place) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
