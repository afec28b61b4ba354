"""Reviews out of one real store and into another, as CSV and JSONL."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from detector_kit import manager_of

from drishtiksha.casefile import LOCAL, CaseFile, Confidence, HumanVerdict, PinnedNote, Viewer
from drishtiksha.errors import ReviewFileError
from drishtiksha.services.reviews_exchange import FORMATS, Format, export_reviews, import_reviews
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT

PORTRAIT, ALTERED = (ROOT / "assets" / name for name in ("portrait.jpg", "portrait_altered.jpg"))
NOTES = (
    PinnedNote(text='=HYPERLINK("http://evil.example")\nline two, "quoted"; दृष्टि 🎭', time_s=1.5, end_s=2.25),
    PinnedNote(text="no time", region=(10.25, 20.0, 30.5, 40.0)),
)
NAMES = ["=1+1", "'=1+1", "'plain", "-Ada", " @x", 'Bob; C, "D"', "zwei\nZeilen", "दृष्टि"]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    manager = manager_of({}, tmp_path, monkeypatch)
    bench = Workbench(manager.settings.model_copy(update={"data_dir": tmp_path / "one"}), manager)
    yield bench
    bench.store.close()


@pytest.fixture
def other(bench: Workbench, tmp_path: Path) -> Iterator[Workbench]:
    """Another machine's store."""
    other = Workbench(bench.settings.model_copy(update={"data_dir": tmp_path / "two"}), bench.manager)
    yield other
    other.store.close()


@pytest.fixture
def case(bench: Workbench) -> CaseFile:
    """A case with the words of several reviewers, one of whom changed their mind."""
    taken = bench.seen_by(LOCAL).take(PORTRAIT, "portrait.jpg")
    bench.seen_by(LOCAL).open(taken.case_id).add_review("Ada", HumanVerdict.GENUINE, Confidence.LOW)
    bench.seen_by(LOCAL).open(taken.case_id).add_review(
        "Ada", HumanVerdict.MANIPULATED, Confidence.HIGH, NOTES, ["lips; edge", "a,b", "=x"]
    )
    for name in NAMES:
        bench.seen_by(LOCAL).open(taken.case_id).add_review(name, HumanVerdict.UNCLEAR, Confidence.MEDIUM)
    return bench.seen_by(LOCAL).open(taken.case_id).read()


def written(folder: Path, cases: list[CaseFile], form: Format) -> Path:
    path = folder / f"reviews.{form}"
    path.write_bytes(export_reviews(cases, form))
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_what_goes_out_comes_back_the_same_once(bench, other, case, form, tmp_path):
    path = written(tmp_path, bench.seen_by(LOCAL).cases(), form)
    assert import_reviews(bench, path, LOCAL).model_dump() == {"added": 0, "known": 10}
    there = other.seen_by(LOCAL).take(PORTRAIT, "renamed.jpg")
    assert import_reviews(other, path, LOCAL).model_dump() == {"added": 10, "known": 0}
    assert import_reviews(other, path, LOCAL).model_dump() == {"added": 0, "known": 10}
    back = there.read()
    assert [r.model_dump(exclude={"review_id", "case_id"}) for r in back.reviews] == [
        r.model_dump(exclude={"review_id", "case_id"}) for r in case.reviews
    ]
    assert back.human_verdict is case.human_verdict
    assert export_reviews([bench.seen_by(LOCAL).open(case.case_id).read()], "jsonl") == export_reviews(
        [case], "jsonl"
    ), "nothing was touched"


def test_no_cell_is_a_formula_and_times_are_utc(case):
    rows = list(csv.DictReader(io.StringIO(export_reviews([case], "csv").decode("utf-8-sig"))))
    assert len(rows) == 10
    for row in rows:
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row.values())
        assert row["made_utc"].endswith("+00:00")
        assert row["sha256"] == case.media.sha256


def test_a_file_that_a_spreadsheet_saved_with_semicolons_is_read(bench, case, tmp_path):
    rows = list(csv.reader(io.StringIO(export_reviews([case], "csv").decode("utf-8-sig"))))
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=";").writerows(rows)
    path = tmp_path / "reviews.csv"
    path.write_text(buffer.getvalue(), encoding="utf-8", newline="")
    assert import_reviews(bench, path, LOCAL).known == 10


def test_a_case_is_found_by_its_id_and_by_its_hash(bench, other, case, tmp_path):
    older, newer = other.seen_by(LOCAL).take(PORTRAIT, "a.jpg"), other.seen_by(LOCAL).take(PORTRAIT, "b.jpg")
    line = json.loads(export_reviews([case], "jsonl").splitlines()[0])
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(line | {"case_id": older.case_id}))
    import_reviews(other, path, LOCAL)
    path.write_text(json.dumps(line | {"reviewer": "Eve"}))
    import_reviews(other, path, LOCAL)
    assert [r.reviewer for r in other.seen_by(LOCAL).open(older.case_id).reviews()] == ["Ada"]
    assert [r.reviewer for r in other.seen_by(LOCAL).open(newer.case_id).reviews()] == ["Eve"]


def test_all_or_nothing_with_the_lines_that_are_wrong(bench, other, case, tmp_path):
    there = other.seen_by(LOCAL).take(PORTRAIT, "a.jpg")
    good = json.loads(export_reviews([case], "jsonl").splitlines()[1])
    lines = [
        good,
        good | {"verdict": "fake"},
        good | {"made_utc": "2026-11-25T09:30:00"},
        good | {"made_utc": "yesterday"},
        good | {"surprise": 1},
        good | {"reviewer": "nul\0"},
        good | {"notes": [{"text": "x", "time_s": -1}]},
    ]
    path = tmp_path / "wrong.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{broken\n" + "[" * 100_000 + "\n")
    with pytest.raises(ReviewFileError, match="nothing was added") as caught:
        import_reviews(other, path, LOCAL)
    assert caught.value.lines == (2, 3, 4, 5, 6, 7, 8, 9)
    assert "Line 2: verdict" in str(caught.value)
    assert other.seen_by(LOCAL).open(there.case_id).reviews() == []


def test_a_file_that_is_not_here_is_said(bench, other, case, tmp_path):
    other.seen_by(LOCAL).take(ALTERED, "another.jpg")
    with pytest.raises(ReviewFileError, match=r"Line \d+: no case here has this id or this SHA-256 \(portrait.jpg\)"):
        import_reviews(other, written(tmp_path, [case], "csv"), LOCAL)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.csv", b"a,b\n1,2\n", "it lacks case_id"),
        ("x.csv", b"", "it lacks case_id"),
        ("x.csv", "é".encode("latin-1"), "UTF-8"),
        ("x.xlsx", b"", "neither .csv nor .jsonl"),
    ],
)
def test_what_is_no_list_of_reviews_is_said(bench, tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ReviewFileError, match=told):
        import_reviews(bench, tmp_path / name, LOCAL)


def test_broken_csv_names_its_line(bench, case, tmp_path):
    path = written(tmp_path, [case], "csv")
    path.write_bytes(path.read_bytes().rstrip() + b'\r\n"never closed,')
    with pytest.raises(ReviewFileError, match="nothing was added") as caught:
        import_reviews(bench, path, LOCAL)
    assert caught.value.lines


def test_a_row_with_more_cells_than_headings_is_refused(bench, case, tmp_path):
    path = written(tmp_path, [case], "csv")
    path.write_bytes(path.read_bytes().rstrip() + b",EXTRA,MORE\r\n")
    with pytest.raises(ReviewFileError, match="more cells") as caught:
        import_reviews(bench, path, LOCAL)
    assert caught.value.lines == (path.read_text("utf-8-sig").count("\n"),)


def test_who_is_no_reviewer_takes_in_nothing(bench, case, tmp_path):
    with pytest.raises(ReviewFileError, match="Only reviewers"):
        import_reviews(bench, written(tmp_path, [case], "csv"), Viewer(name="ada"))


@pytest.mark.slow
def test_on_every_database_all_or_nothing_and_once_however_many_take_it_in(bench_of, tmp_path):
    first, second = bench_of(start=False), bench_of(start=False)
    cases = [first.seen_by(LOCAL).take(path, path.name) for path in (PORTRAIT, ALTERED)]
    for case in cases:
        for name in ("Ada", "Bob"):
            case.add_review(name, HumanVerdict.GENUINE, Confidence.LOW, NOTES)
    path = written(tmp_path, first.seen_by(LOCAL).cases(), "jsonl")
    for case in cases:
        case.delete()
    kept = first.seen_by(LOCAL).take(PORTRAIT, "again.jpg")
    with pytest.raises(ReviewFileError) as caught:
        import_reviews(first, path, LOCAL)
    assert len(caught.value.lines) == 2
    assert kept.reviews() == []
    other = first.seen_by(LOCAL).take(ALTERED, "again.jpg")
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda bench: import_reviews(bench, path, LOCAL), [first, second, first, second]))
    assert sum(one.added for one in done) == 4
    assert [r.reviewer for case in (kept, other) for r in second.seen_by(LOCAL).open(case.case_id).reviews()] == [
        "Ada",
        "Bob",
    ] * 2
