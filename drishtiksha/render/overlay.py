"""Face boxes with their person and score on a frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from drishtiksha.results import FaceBox, FaceScore, SampleScore, Thresholds

BOX = (255, 214, 10)
INK = (12, 14, 18)
MUTED_BOX = (226, 230, 236)


def face_label(face: FaceScore) -> str:
    """ "Person 2 · 0.87", or the score alone in a picture."""
    return f"{f'Person {face.person} · ' if face.person is not None else ''}{face.p_fake:.2f}"


def draw_faces(image: np.ndarray, faces: Sequence[FaceScore], thresholds: Thresholds) -> np.ndarray:
    """A copy of `image` (RGB uint8 (H, W, 3)) with a labelled box round each face; a face at or above the `fake`
    threshold has a thick yellow box, the others a thin pale one."""
    picture = Image.fromarray(image).convert("RGB")
    draw = ImageDraw.Draw(picture)
    scale = max(image.shape[0], image.shape[1]) / 900
    for face in sorted(faces, key=lambda face: face.p_fake):
        suspicious = face.p_fake >= thresholds.fake
        _box(draw, face, max(2, round((5 if suspicious else 3) * scale)), BOX if suspicious else MUTED_BOX, scale)
    return np.asarray(picture)


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


def _box(draw: ImageDraw.ImageDraw, face: FaceScore, line: int, colour: tuple[int, int, int], scale: float) -> None:
    left, top, right, bottom = face.face_box
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=INK, width=line + 2)
    draw.rectangle((left, top, right, bottom), outline=colour, width=line)
    font = ImageFont.load_default(size=max(13, round(22 * scale)))
    text = face_label(face)
    x0, y0, x1, y1 = draw.textbbox((0, 0), text, font=font)
    pad = max(3, round(5 * scale))
    width, height = x1 - x0 + 2 * pad, y1 - y0 + 2 * pad
    at_y = top - height if top - height >= 0 else bottom if bottom + height <= draw.im.size[1] else top
    at_x = min(max(0.0, left), max(0.0, draw.im.size[0] - width))
    draw.rectangle((at_x, at_y, at_x + width, at_y + height), fill=colour)
    draw.text((at_x + pad - x0, at_y + pad - y0), text, fill=INK, font=font)
