"""A share of `make attack`: damaged files of every kind end in a result or in an error of our own, within the bounds."""

from __future__ import annotations

import pytest

from bench.attack import attack, failures
from bench.mutants import CLIPS, PICTURES, RECORDINGS, WAYS, mutants


@pytest.mark.slow
def test_damaged_files_end_in_a_result_or_in_a_sentence() -> None:
    kinds = len(PICTURES) + len(RECORDINGS) + len(CLIPS)
    outcomes = list(attack(kinds, seed=5, compare=False))
    assert not failures(outcomes)
    assert {one.end for one in outcomes} == {"judged", "refused"}


def test_the_same_seed_makes_the_same_files(tmp_path) -> None:
    (tmp_path / "a.jpg").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "b.wav").write_bytes(bytes(range(255, -1, -1)) * 40)
    plain = sorted(tmp_path.iterdir())
    made = [list(mutants(plain, 2 * len(WAYS), seed)) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert {one.name.split("-")[1] for one in made[0]} == set(WAYS)
