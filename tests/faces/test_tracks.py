"""People are kept apart, kept together, and numbered as they appear."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from drishtiksha.contract import Face
from drishtiksha.faces.tracks import (
    MAX_APPEARANCE_DISTANCE,
    MAX_GAP_S,
    Track,
    appearance_distance,
    assign_people,
    face_appearance,
)

MODELS = Path(__file__).resolve().parents[2] / "models"
PORTRAIT = Path(__file__).parent / "data/astronaut_512.jpg"


def at(x: float, y: float = 200, size: float = 100) -> Face:
    """A face around a centre."""
    return Face(box=(x - size / 2, y - size / 2, x + size / 2, y + size / 2), score=1.0)


def scene(seed: int) -> np.ndarray:
    """A picture (400, 600, 3) with colours and shapes of its own."""
    rng = np.random.default_rng(seed)
    return np.kron(rng.integers(0, 256, (8, 12, 3)), np.ones((50, 50, 1))).astype(np.uint8)


def test_two_people_who_stay_are_two_people() -> None:
    numbers, people = assign_people([0.0, 0.3, 0.6], [[at(100), at(400)], [at(402), at(105)], [at(108), at(398)]])
    assert numbers == [(1, 2), (2, 1), (1, 2)]
    assert people == [Track(1, 0.0, 0.6, 3), Track(2, 0.0, 0.6, 3)]


@pytest.mark.parametrize("fps", [25, 8])
def test_two_people_crossing_keep_their_numbers(fps: int) -> None:
    times = [i / fps for i in range(2 * fps + 1)]
    # The faces pass each other a little apart in height, each at 200 px/s.
    faces = [[at(100 + 200 * t, 190), at(500 - 200 * t, 210)] for t in times]
    numbers, people = assign_people(times, faces)
    assert numbers == [(1, 2)] * len(times)
    assert len(people) == 2


def test_people_crossing_with_one_hidden_in_the_middle_keep_their_numbers() -> None:
    times = [i / 10 for i in range(21)]
    faces = [[at(100 + 200 * t, 190)] + ([] if 0.75 < t < 1.25 else [at(500 - 200 * t, 210)]) for t in times]
    numbers, people = assign_people(times, faces)
    assert numbers[0] == numbers[-1] == (1, 2)
    assert {n[0] for n in numbers} == {1}
    assert [p.samples for p in people] == [21, 16]


def test_who_comes_back_after_a_long_gap_is_a_new_person() -> None:
    times = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    faces: list[list[Face]] = [[at(100)], [at(100)], [], [], [], [], [], [at(100)]]
    assert times[-1] - times[1] > MAX_GAP_S
    numbers, people = assign_people(times, faces)
    assert numbers == [(1,), (1,), (), (), (), (), (), (2,)]
    assert people == [Track(1, 0.0, 0.5, 2), Track(2, 3.5, 3.5, 1)]


def test_missed_samples_are_bridged() -> None:
    faces: list[list[Face]] = [[at(100), at(400)], [at(400)], [], [at(110), at(395)]]
    numbers, people = assign_people([0.0, 0.3, 0.6, 0.9], faces)
    assert numbers == [(1, 2), (2,), (), (1, 2)]
    assert [(p.first_s, p.last_s, p.samples) for p in people] == [(0.0, 0.9, 2), (0.0, 0.9, 3)]


def test_sparse_samples_of_someone_walking_are_one_person() -> None:
    times = [0.0, 0.4, 0.8, 1.2]
    faces = [[at(100 + 130 * i)] for i in range(4)]  # no overlap from one to the next
    numbers, people = assign_people(times, faces)
    assert numbers == [(1,)] * 4
    assert people == [Track(1, 0.0, 1.2, 4)]


def test_samples_far_apart_in_time_need_the_same_place() -> None:
    stays, _ = assign_people([0.0, 20.0], [[at(100)], [at(110)]])
    moves, _ = assign_people([0.0, 20.0], [[at(100)], [at(250)]])
    assert stays == [(1,), (1,)]
    assert moves == [(1,), (2,)]


def test_a_face_of_another_size_or_far_away_is_another_person() -> None:
    assert assign_people([0.0, 0.3], [[at(100, size=60)], [at(100, size=160)]])[0] == [(1,), (2,)]
    assert assign_people([0.0, 0.1], [[at(100)], [at(400)]])[0] == [(1,), (2,)]


def test_a_scene_cut_ends_a_track_where_the_looks_are_known() -> None:
    one, other = scene(1), scene(2)
    times = [0.0, 0.3, 0.6, 0.9]
    faces = [[at(300)]] * 4
    looks = [[face_appearance(picture, at(300))] for picture in (one, one, other, other)]
    assert appearance_distance(looks[1][0], looks[2][0]) > MAX_APPEARANCE_DISTANCE
    assert assign_people(times, faces)[0] == [(1,)] * 4
    numbers, people = assign_people(times, faces, looks)
    assert numbers == [(1,), (1,), (2,), (2,)]
    assert people == [Track(1, 0.0, 0.3, 2), Track(2, 0.6, 0.9, 2)]


def test_looks_survive_a_change_of_light_and_of_scale_and_tell_a_face_from_a_shoulder() -> None:
    with Image.open(PORTRAIT) as file:
        portrait = np.array(file.convert("RGB"))
    face = Face(box=(182, 60, 268, 175), score=1.0)
    seen = face_appearance(portrait, face)
    half = face_appearance(np.ascontiguousarray(portrait[::2, ::2]), Face(box=(91, 30, 134, 87.5), score=1.0))
    darker = face_appearance((portrait * 0.85).astype(np.uint8), face)
    elsewhere = face_appearance(portrait, Face(box=(82, 300, 168, 415), score=1.0))
    assert appearance_distance(seen, seen) < 1e-3
    assert appearance_distance(seen, half) < 0.2
    assert appearance_distance(seen, darker) < MAX_APPEARANCE_DISTANCE
    assert appearance_distance(seen, elsewhere) > MAX_APPEARANCE_DISTANCE
    assert not face_appearance(portrait, at(-500)).any()


def test_first_to_appear_is_first_and_the_larger_of_two() -> None:
    numbers, people = assign_people([0.0, 0.3], [[at(100, size=60), at(400, size=90)], [at(700), at(100, size=60)]])
    assert numbers == [(2, 1), (3, 2)]
    assert [p.person for p in people] == [1, 2, 3]


def test_nothing_gives_nothing() -> None:
    assert assign_people([], []) == ([], [])
    assert assign_people([0.0, 1.0], [[], []]) == ([(), ()], [])


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="2 times for 1"):
        assign_people([0.0, 1.0], [[]])
    with pytest.raises(ValueError, match="order"):
        assign_people([1.0, 0.5], [[], []])
    with pytest.raises(ValueError, match="one appearance"):
        assign_people([0.0], [[at(100)]], [[]])


def follow(clip: Path, step: int) -> tuple[list[float], list[tuple[int, ...]], list[Track]]:
    """Times, persons and tracks of every `step`th frame of a clip, with MTCNN."""
    from drishtiksha.faces.mtcnn import MTCNNFinder

    finder = MTCNNFinder(MODELS, thresholds=(0.7, 0.8, 0.8), min_face=40)
    times, faces, looks = [], [], []
    with av.open(str(clip)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % step == 0:
                picture = frame.to_ndarray(format="rgb24")
                faces.append(finder.find(picture))
                looks.append([face_appearance(picture, face) for face in faces[-1]])
                times.append(frame.time)
    return times, *assign_people(times, faces, looks)


@pytest.mark.slow
def test_the_people_in_a_street_are_followed(clip_1080p: Path) -> None:
    """Seen by eye: five people stay in view for most of the clip, others pass by or turn away."""
    times, numbers, people = follow(clip_1080p, step=8)
    assert all(len(set(sample)) == len(sample) for sample in numbers), "nobody is twice in one frame"
    assert sum(p.samples for p in people) == sum(map(len, numbers))
    assert len([p for p in people if p.samples > len(times) / 2]) == 5
    assert len(people) <= 14


@pytest.mark.slow
def test_nobody_on_the_stage_outlives_a_scene_cut(clip_360p: Path) -> None:
    """Seen by eye: the clip cuts at its frames 20, 82 and 211 (0-based), at 29.97 frames a second from 0.852 s."""
    _, _, people = follow(clip_360p, step=9)
    cuts = [0.852 + (frame - 0.5) / 29.97 for frame in (20, 82, 211)]
    assert not [p for p in people for cut in cuts if p.first_s < cut < p.last_s]
    assert len([p for p in people if p.last_s > cuts[-1] and p.samples >= 6]) == 4
    assert [p.samples >= 12 for p in people if cuts[1] < p.first_s < cuts[2]] == [True]
