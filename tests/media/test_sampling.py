import numpy as np
import pytest

from drishtiksha.media.sampling import audio_windows, evenly_spaced, sparse_first


@pytest.mark.parametrize(("total", "count"), [(300, 32), (10, 3), (2, 2), (1, 1), (100_000, 7)])
def test_evenly_spaced_is_the_truncated_linspace(total: int, count: int) -> None:
    assert evenly_spaced(total, count) == sorted(set(np.linspace(0, total - 1, count).astype(int).tolist()))


def test_evenly_spaced_takes_first_and_last() -> None:
    assert evenly_spaced(275, 32)[0] == 0
    assert evenly_spaced(275, 32)[-1] == 274


@pytest.mark.parametrize("count", [None, 5, 6, 1000])
def test_evenly_spaced_gives_every_frame_once_when_there_are_few(count: int | None) -> None:
    assert evenly_spaced(5, count) == [0, 1, 2, 3, 4]


def test_evenly_spaced_of_nothing_is_nothing() -> None:
    assert evenly_spaced(0, 8) == []


@pytest.mark.parametrize(("total", "count"), [(-1, 3), (5, 0)])
def test_evenly_spaced_refuses_nonsense(total: int, count: int) -> None:
    with pytest.raises(ValueError, match="evenly_spaced"):
        evenly_spaced(total, count)


def test_sparse_first_splits_without_loss() -> None:
    indices = evenly_spaced(1000, 32)
    first, rest = sparse_first(indices, 8)
    assert sorted(first + rest) == indices
    assert len(first) == 8
    assert (first[0], first[-1]) == (indices[0], indices[-1])


def test_sparse_first_of_few_takes_all() -> None:
    assert sparse_first([3, 9], 8) == ([3, 9], [])


def test_audio_windows_hop_and_end_in_a_short_one() -> None:
    # 10 s: whole windows at 0, 2, 4, 6 s end at 10 s exactly; with 0.5 s more there is a short one from 8 s.
    assert audio_windows(1000, 100, 4, 2, 1) == [(0, 400), (200, 600), (400, 800), (600, 1000)]
    assert audio_windows(1050, 100, 4, 2, 1)[-2:] == [(600, 1000), (800, 1050)]


def test_audio_windows_too_little_is_no_window_and_a_little_is_one() -> None:
    assert audio_windows(99, 100, 4, 2, 1) == []
    assert audio_windows(100, 100, 4, 2, 1) == [(0, 100)]


def test_audio_windows_without_overlap_leave_a_short_rest_out() -> None:
    assert audio_windows(450, 100, 2, 2, 1) == [(0, 200), (200, 400)]
    assert audio_windows(500, 100, 2, 2, 1) == [(0, 200), (200, 400), (400, 500)]


def test_audio_windows_cover_every_sample_when_they_overlap() -> None:
    for n in range(400, 1300, 37):
        seen = np.zeros(n, bool)
        for start, stop in audio_windows(n, 100, 4, 2, 1):
            seen[start:stop] = True
        assert seen.all(), n


def test_a_shifted_last_window_is_whole_and_ends_with_the_sound():
    windows = audio_windows(100, 10, 4.0, 2.0, 1.0, shifted=True)
    assert windows == audio_windows(100, 10, 4.0, 2.0, 1.0), "nothing is left over"
    assert audio_windows(105, 10, 4.0, 2.0, 1.0, shifted=True) == [*windows, (65, 105)]
    assert audio_windows(101, 10, 4.0, 4.0, 1.0, shifted=True)[-1] == (61, 101), "however little is left over"
    assert audio_windows(25, 10, 4.0, 2.0, 1.0, shifted=True) == [(0, 25)], "less than one window"
    assert audio_windows(5, 10, 4.0, 2.0, 1.0, shifted=True) == []
