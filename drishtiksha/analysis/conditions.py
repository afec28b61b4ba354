"""What of a file's deciding moment is known to mislead detectors: measured on the file itself, not on any score.

The bounds were set on 60 portraits of people, as they are and after the treatments that the detectors' tests draw
(`training/face_blend/stress.py`): beside each stands how many of either lie beyond it.
"""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from drishtiksha.analysis.faces import find_faces
from drishtiksha.contract import Face, FaceRequest
from drishtiksha.errors import UnreadableMediaError
from drishtiksha.forensics.filters import noise_residual
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.image import open_picture
from drishtiksha.people import overlap
from drishtiksha.provenance.encoders import standard_quality
from drishtiksha.results import FaceBox, Frozen, MediaInfo, MediaKind
from drishtiksha.settings import MediaLimits

INNER = (0.15, 0.1)
"""Of a face box's width and height, what is left out on each side: hair and background."""
WHITE = 250
SIDE = 24
"""px of the small face in which light and shadow are told apart: no wrinkle counts."""
SAME_SIZE = (112, 128)
"""Width and height, px, that faces are brought to before their sharpness is measured."""
SAME_FACE = 0.3
"""Overlap with the box that was judged, from which a face found again is that one."""
TELEPHONE_HZ = 8000


class Conditions(Frozen):
    """None: it does not apply to this file, or could not be measured."""

    face_px: float | None = Field(default=None, description="the shorter side of the deciding face")
    roll_deg: float | None = Field(default=None, description="how far its eyes lie from the level, without sign")
    white: float | None = Field(default=None, description="share of the face that is white in some channel")
    shadow: float | None = Field(default=None, description="brightness of its dark part by that of its lit part")
    sharpness: float | None = Field(default=None, description="contrast of fine detail by that of all")
    noise: float | None = Field(default=None, description="standard deviation of its noise residual, grey levels")
    jpeg_quality: int | None = Field(default=None, description="of a JPEG with standard tables, 1 to 100")
    bits_per_pixel: float | None = Field(default=None, description="of a video, its sound included")
    sound_codec: str | None = Field(default=None, description="of what was heard")
    sample_rate: int | None = None

    @property
    def overexposed(self) -> bool:
        """5 % of the plain portraits have 0.25 or more, 5 % of overexposed ones 0.45 or less."""
        return self.white is not None and self.white >= 0.4

    @property
    def shadowed(self) -> bool:
        """Some 10 % of the plain portraits; 95 % of those with a hard shadow over the face."""
        return self.shadow is not None and self.shadow <= 0.5

    @property
    def blurred(self) -> bool:
        """Fewer than 5 % of the plain portraits, and most that were smeared by a twentieth of the face."""
        return self.sharpness is not None and self.noise is not None and self.sharpness <= 0.3 and self.noise <= 0.8

    @property
    def tilted(self) -> bool:
        """Fewer than 5 % of the plain portraits."""
        return self.roll_deg is not None and self.roll_deg >= 10


def conditions_of(
    evidence: Evidence, face_box: FaceBox | None, frame_index: int | None, limits: MediaLimits
) -> Conditions:
    """face_box, frame_index: of the deciding sample; None where it has none. Raises: MediaError and its kinds."""
    found = _of_file(evidence, limits) | (_of_sound(evidence.media) if frame_index is None else {})
    if face_box is not None:
        found |= _of_face(_frame(evidence, frame_index, limits), face_box)
    return Conditions.model_validate(found)


def _of_file(evidence: Evidence, limits: MediaLimits) -> dict[str, object]:
    media = evidence.media
    if media.kind is MediaKind.IMAGE:
        with open_picture(evidence.path, media.name, limits) as picture:
            tables = getattr(picture, "quantization", None) or {}
        return {"jpeg_quality": standard_quality(list(tables[0]))} if len(tables.get(0, ())) == 64 else {}
    if media.kind is MediaKind.VIDEO and media.bit_rate and media.width and media.height and media.fps:
        return {"bits_per_pixel": media.bit_rate / (media.width * media.height * media.fps)}
    return {}


def _of_sound(media: MediaInfo) -> dict[str, object]:
    return {"sound_codec": media.audio_codec, "sample_rate": media.sample_rate}


def _frame(evidence: Evidence, frame_index: int | None, limits: MediaLimits) -> np.ndarray:
    reader = evidence.reader(limits)
    if evidence.media.kind is MediaKind.IMAGE or frame_index is None:
        return reader.picture()
    with reader.frames_at([frame_index]) as frames:
        for frame in frames:
            return frame.image
    raise UnreadableMediaError(f"The deciding frame of {evidence.media.name} can no longer be decoded.")


def _of_face(image: np.ndarray, box: FaceBox) -> dict[str, object]:
    left, top, right, bottom = box
    across, down = INNER[0] * (right - left), INNER[1] * (bottom - top)
    inner = image[_span(top + down, bottom - down), _span(left + across, right - across)]
    face: dict[str, object] = {"face_px": min(right - left, bottom - top)}
    if min(inner.shape[:2]) < 3:
        return face
    grey = cv2.cvtColor(np.ascontiguousarray(inner), cv2.COLOR_RGB2GRAY)
    small = np.asarray(cv2.resize(grey, SAME_SIZE, interpolation=cv2.INTER_AREA), np.float32)
    return face | {
        "white": float((inner.max(axis=2) >= WHITE).mean()),
        "shadow": _shadow(grey),
        "sharpness": float(cv2.Laplacian(small, cv2.CV_32F).std() / max(small.std(), 1.0)),
        "noise": float(noise_residual(np.ascontiguousarray(inner))[1:-1, 1:-1].std()),
        "roll_deg": _roll(image, box),
    }


def _span(start: float, stop: float) -> slice:
    return slice(max(round(start), 0), max(round(stop), 0))


def _shadow(grey: np.ndarray) -> float:
    """Mean of the darker part by that of the brighter one, which Otsu's threshold parts; 1 for one brightness."""
    small = np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    _, parted = cv2.threshold(small, 0, 255, cv2.THRESH_OTSU)
    dark, lit = small[parted == 0], small[parted > 0]
    return float(dark.mean() / max(lit.mean(), 1.0)) if len(dark) and len(lit) else 1.0


def _roll(image: np.ndarray, box: FaceBox) -> float | None:
    """Degrees from the level, of the face in this box; None where it is not found again."""
    faces, _ = find_faces(image, FaceRequest(min_size=0))
    same = max(faces, key=lambda face: _overlap(face, box), default=None)
    if same is None or same.keypoints is None or _overlap(same, box) < SAME_FACE:
        return None
    along, up = same.keypoints[1] - same.keypoints[0]
    return abs(float(np.degrees(np.arctan2(up, along))))


def _overlap(face: Face, box: FaceBox) -> float:
    return float(overlap(np.array(face.box), np.array(box)))
