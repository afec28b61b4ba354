"""What of a file is known to mislead detectors, measured on a portrait as it is and after known changes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from media_factory import write_video
from PIL import Image

from drishtiksha.analysis.conditions import Conditions, conditions_of
from drishtiksha.analysis.faces import find_faces
from drishtiksha.contract import FaceRequest
from drishtiksha.media.evidence import Evidence
from drishtiksha.settings import ROOT, MediaLimits

LIMITS = MediaLimits()
PORTRAIT = np.asarray(Image.open(ROOT / "assets" / "portrait.jpg").convert("RGB"))


@pytest.fixture(scope="module")
def box() -> tuple[float, float, float, float]:
    return find_faces(PORTRAIT, FaceRequest(min_size=0))[0][0].box


def seen(picture: np.ndarray, box: tuple[float, float, float, float], path: Path, **options: object) -> Conditions:
    Image.fromarray(picture).save(path, **options)
    return conditions_of(Evidence.open(path, LIMITS), box, None, LIMITS)


def test_a_plain_portrait_shows_nothing(box, tmp_path: Path) -> None:
    found = seen(PORTRAIT, box, tmp_path / "p.png")
    assert not any((found.overexposed, found.shadowed, found.blurred, found.tilted))
    assert found.face_px == pytest.approx(min(box[2] - box[0], box[3] - box[1]))
    assert found.jpeg_quality is None
    assert found.bits_per_pixel is None


def test_a_shadow_over_half_the_face(box, tmp_path: Path) -> None:
    dark = PORTRAIT.copy()
    dark[:, : int((box[0] + box[2]) / 2)] = (dark[:, : int((box[0] + box[2]) / 2)] * 0.35).astype(np.uint8)
    found = seen(dark, box, tmp_path / "p.png")
    assert found.shadowed
    assert not found.overexposed


def test_too_much_light(box, tmp_path: Path) -> None:
    found = seen(np.clip(PORTRAIT * 2.2, 0, 255).astype(np.uint8), box, tmp_path / "p.png")
    assert found.overexposed


def test_blur(box, tmp_path: Path) -> None:
    smeared = np.asarray(cv2.blur(PORTRAIT, (int((box[2] - box[0]) / 12) | 1, 1)))
    found = seen(np.asarray(cv2.GaussianBlur(smeared, (0, 0), 2)), box, tmp_path / "p.png")
    assert found.blurred


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [0, 20])
def test_a_turned_head(box, tmp_path: Path, degrees: int) -> None:
    height, width = PORTRAIT.shape[:2]
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    turn = cv2.getRotationMatrix2D(middle, degrees, 1)
    turned = np.asarray(cv2.warpAffine(PORTRAIT, turn, (width, height), borderMode=cv2.BORDER_REPLICATE))
    found = seen(turned, box, tmp_path / "p.png")
    level = seen(PORTRAIT, box, tmp_path / "q.png").roll_deg
    assert found.roll_deg is not None
    assert level is not None
    assert abs(found.roll_deg - degrees) <= level + 4
    assert found.tilted is (degrees == 20)


@pytest.mark.parametrize("quality", [30, 70, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(box, tmp_path: Path, quality: int) -> None:
    assert seen(PORTRAIT, box, tmp_path / "p.jpg", quality=quality).jpeg_quality == quality


def test_a_video_is_measured_at_its_deciding_frame(box, tmp_path: Path) -> None:
    height, width = (side // 2 * 2 for side in PORTRAIT.shape[:2])
    plain = PORTRAIT[:height, :width]
    bright = np.clip(plain * 2.4, 0, 255).astype(np.uint8)
    clip = Evidence.open(write_video(tmp_path / "v.mp4", [plain] * 3 + [bright] * 3), LIMITS)
    assert not conditions_of(clip, box, 1, LIMITS).overexposed
    found = conditions_of(clip, box, 4, LIMITS)
    assert found.overexposed
    media = clip.media
    assert media.bit_rate
    assert media.fps
    assert found.bits_per_pixel == pytest.approx(media.bit_rate / (width * height * media.fps))
    assert found.sound_codec is None


def test_sound_is_told_by_its_codec_and_a_face_outside_the_frame_has_no_light(tmp_path: Path) -> None:
    sound = Evidence.open(ROOT / "assets" / "clip_with_sound.mp4", LIMITS)
    found = conditions_of(sound, None, None, LIMITS)
    assert (found.sound_codec, found.sample_rate) == (sound.media.audio_codec, sound.media.sample_rate)
    Image.fromarray(PORTRAIT).save(tmp_path / "p.png")
    outside = conditions_of(Evidence.open(tmp_path / "p.png", LIMITS), (9000.0, 9000.0, 9100.0, 9100.0), None, LIMITS)
    assert (outside.white, outside.roll_deg, outside.face_px) == (None, None, 100.0)
