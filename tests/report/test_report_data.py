"""The case as JSON and its scores as CSV, read back."""

from __future__ import annotations

import csv
import io

import pytest
import sample_case
import sample_results

from drishtiksha.casefile import CaseFile
from drishtiksha.report import csvfile, jsonfile


def rows_of(case: CaseFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csvfile.render(case).decode("utf-8-sig"), newline="")))


def test_json_gives_the_same_case_back():
    case = sample_case.case()
    written = jsonfile.render(case)
    assert CaseFile.model_validate_json(written) == case
    assert written.endswith(b"}\n")
    assert sample_case.HINDI in written.decode()


def test_csv_has_a_row_per_model_sample_and_face():
    case = sample_case.case()
    rows = rows_of(case)
    kinds = [row["row"] for row in rows]
    assert kinds.count("model") == len(case.results)
    assert kinds.count("sample") == sum(len(result.scores) for result in case.results)
    assert kinds.count("face") == sum(len(score.faces) for result in case.results for score in result.scores)
    first = rows[0]
    assert (first["model"], first["prediction"], float(first["p_fake"])) == ("FACE-BLEND-LITE-V1", "FAKE", 0.78)
    assert first["sha256"] == sample_results.SHA
    gaps = [row for row in rows if row["gap"]]
    assert {(row["gap"], row["p_fake"]) for row in gaps} == {("no_face", "")}


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0.mp4", "+1.mp4", "@SUM(A1).mp4", " =1.mp4", "-2.mp4"])
def test_a_file_name_is_never_a_formula(name):
    media = sample_results.media(name=name)
    case = sample_case.case(media=media, results=(sample_results.result(media=media),))
    assert {row["file"] for row in rows_of(case)} == {f"'{name}"}
