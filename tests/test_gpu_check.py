"""The comparison of devices: where there is no accelerator it runs on the CPU alone, and a difference is not passed over."""

from __future__ import annotations

import pytest

from bench.gpu_check import Row, check, main, table


@pytest.mark.slow
def test_without_an_accelerator_the_cpu_agrees_with_itself() -> None:
    row = next(iter(check("cpu", 100, "AASIST", small=True)))
    assert row.within
    assert row.difference == 0.0
    assert row.first_s
    assert row.second_s
    assert row.peak_mib is None
    assert row.batch is None
    assert "| ok |" in table("cpu", [row])


def test_detectors_that_are_not_reached_in_time_are_named() -> None:
    rows = list(check("cpu", -1.0, "", small=True))
    assert len(rows) > 30
    assert all("not reached" in row.fault for row in rows)


@pytest.mark.parametrize(
    ("dtype", "difference", "within"),
    [("float32", 9e-4, True), ("float32", 2e-3, False), ("bfloat16", 9e-3, True), ("bfloat16", 2e-2, False)],
)
def test_how_far_devices_may_differ(dtype: str, difference: float, within: bool) -> None:
    row = Row("X", dtype=dtype, difference=difference)
    assert row.within is within
    assert ("**differs**" in table("cpu", [row])) is not within


def test_a_fault_is_not_within_the_bounds() -> None:
    assert not Row("X", dtype="float32", difference=0.0, fault="RuntimeError: no kernel").within


def test_where_the_table_cannot_be_written_is_told_before_anything_is_measured(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["gpu_check", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "takes the name of a file" in capsys.readouterr().err
