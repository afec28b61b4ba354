"""Moving video for FACE-BLEND-LITE-V1: deliveries, expression warps, and thresholds by person."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from training.face_blend.film import DELIVERIES, STRETCH_S, deliver, read_film, stretches
from training.face_blend.film_scores import FilmLogits, spread
from training.face_blend.measure import clip_threshold, left_out_alarms, share
from training.face_blend.warp import PARTS, aligned, expression, moved_mesh, openness

SIZE = 128


def face(seed: int, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A picture with texture, and 468 points spread over an ellipse in its middle."""
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(40, 216, (16, 16, 3), np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    spread = np.random.default_rng(99)
    radius, angle = np.sqrt(spread.random(468)), spread.uniform(0, 2 * np.pi, 468)
    points = np.stack([radius * np.cos(angle) * 0.25, radius * np.sin(angle) * 0.33], axis=1) + 0.5
    points += rng.normal(0, 0.004, points.shape)
    return image, (points * size).astype(np.float32)


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_delivery_is_a_video_of_the_same_length(delivery: str, tmp_path: Path) -> None:
    frames = [np.roll(face(1)[0], step, axis=1) for step in range(5)]
    path = tmp_path / "a.mkv"
    deliver(frames, 15, delivery, path)
    seen, fps = read_film(path)
    assert (len(seen), round(fps)) == (5, 15)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mkv"], "what lay between two codecs is gone"
    scale = np.prod([encoding.scale for encoding in DELIVERIES[delivery]])
    assert abs(seen[0].shape[0] - SIZE * scale) <= 2
    with av.open(str(path)) as source:
        assert source.streams.video[0].codec_context.name.startswith(
            {"libx264": "h264", "libx265": "hevc", "libvpx-vp9": "vp9", "libsvtav1": ("av1", "libdav1d")}[
                DELIVERIES[delivery][-1].codec
            ]
        )


def test_stretches_lie_within_the_clip_and_a_short_one_is_whole() -> None:
    assert stretches(400, 25) == [slice(0, 75), slice(325, 400)]
    (only,) = stretches(60, 25)
    assert (only.start, only.stop) == (0, round(STRETCH_S * 25)), "a slice ends where the frames do"


def test_an_expression_moves_its_part_and_leaves_the_rest() -> None:
    image, mesh = face(1)
    _, rest = face(2)
    driver = rest.copy()
    driver[PARTS["mouth"]] += (0, 9)
    goal = moved_mesh(mesh, [mesh], driver, [rest], "mouth")
    moved = np.linalg.norm(goal - mesh, axis=1)
    assert moved[PARTS["mouth"]].mean() > 5
    far = np.linalg.norm(mesh[:, None] - mesh[PARTS["mouth"]][None], axis=2).min(1) > 12
    assert not far.any() or moved[far].max() < 3
    layers = expression(image, mesh, goal, None, "mouth", 3)
    assert layers.change() > 1
    untouched = layers.mask == 0
    assert untouched.mean() > 0.2
    assert np.array_equal(layers.fake()[untouched], image[untouched])
    still = moved_mesh(mesh, [mesh], rest, [rest], "mouth")
    assert np.abs(still - mesh).max() < 1e-2, "a driver at rest moves nothing"


def test_meshes_are_aligned_by_what_no_expression_moves() -> None:
    _, mesh = face(1)
    turned = mesh @ np.float32([[0.8, 0.6], [-0.6, 0.8]]) * 1.3 + 20
    assert np.abs(aligned(turned, mesh) - mesh).max() < 0.05
    wide = mesh.copy()
    wide[14] = mesh[13] + 4 * (mesh[14] - mesh[13]) + (0, 8)
    assert openness(wide) > openness(mesh)


def test_the_threshold_of_a_person_comes_from_the_others() -> None:
    p = np.r_[np.full(20, 0.2), np.full(20, 0.3), 0.95, np.full(19, 0.3)]
    person = np.repeat(["a", "b", "c"], 20)
    assert clip_threshold(p[:40]) == pytest.approx(0.5)
    assert 0.95 < clip_threshold(p) < 0.951, "no genuine clip reaches it"
    hits = left_out_alarms(p, person)
    assert list(np.flatnonzero(hits)) == [40]
    rate, low, high, files, people = share(hits, person)
    assert (rate, files, people) == (pytest.approx(1 / 60), 60, 3)
    assert low <= rate <= high


def test_a_clip_is_scored_by_some_faces_over_all_of_it_and_by_none_where_they_are_too_few() -> None:
    item = np.repeat([0, 1, 2], [20, 2, 4])
    picked = spread(item, 4)
    assert [int((item[picked] == clip).sum()) for clip in range(3)] == [6, 2, 4]
    assert (picked[0], picked[5]) == (0, 19), "from the first face to the last"
    logits = np.r_[np.full(5, -1.0), 9.0, 0.0, 0.0, np.full(4, 2.0)]
    scores = FilmLogits(logits, item[picked], np.array(["a"] * 4), np.array(["p"] * 4)).clip_scores(1.0, 0.0)
    assert scores[[0, 2]] == pytest.approx(1 / (1 + np.exp([1.0, -2.0]))), "one frame that went wrong decides nothing"
    assert np.isnan(scores[[1, 3]]).all()
