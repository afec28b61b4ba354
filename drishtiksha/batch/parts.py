"""A folder of results as Parquet: `results/` has a row a file and model, `scores/` one a sample.

Both come in parts of the same names, each written in one step; a part of `scores/` counts once that of `results/` is there.
Of a file and model the newest row counts.
"""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import threading
import time
from collections.abc import Collection, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from filelock import FileLock, Timeout

from drishtiksha.batch.judge import Told
from drishtiksha.batch.known import Key, Known, content_key, key_of, version_key
from drishtiksha.batch.rows import TRIED_AGAIN, Row, row_like
from drishtiksha.errors import ConfigError
from drishtiksha.report.files import draft_of

if TYPE_CHECKING:
    import pyarrow as pa

RESULTS, SCORES = "results", "scores"
BROKEN = ".broken"
FACTS = ("name", "path", "label", "groups", "version")
CONTENT = ("sha256", "recipe", "model", "error_kind")
KEYS = (*FACTS, *CONTENT)
"""Columns of `RESULTS` that tell what need not be done again."""
INSTALL = (
    "Tables of results need pyarrow, which is not installed here. Install it with: pip install 'drishtiksha[batch]' "
    "(or: pip install pyarrow)."
)
MOST_BYTES = 32_000_000
"""Of results as JSON that wait in memory before a part is written."""
MOST_ROWS = 20_000
LIKE_BYTES = 4_000
"""Taken for a result that will be copied from another row."""
FIRST_S, LAST_S, SHARE = 10.0, 300.0, 0.02
"""A part is written after so many seconds: a share of the time since the start, so that a long run has not too many parts."""
_TEXTS = {
    RESULTS: "name path model sha256 recipe kind prediction grade gap error error_kind label container version result",
    SCORES: "name model sha256 recipe gap",
}
_NUMBERS = {
    RESULTS: "p_fake coverage seconds threshold_real threshold_fake duration_s rate",
    SCORES: "time_s end_s p_fake",
}
_WHOLE = {RESULTS: "size_bytes", SCORES: "index frame_index"}


@cache
def schema(table: str) -> pa.Schema:
    """The columns of `RESULTS` or `SCORES`. Raises: ConfigError without pyarrow."""
    pa = arrow()
    kinds = ((_TEXTS, pa.string()), (_NUMBERS, pa.float64()), (_WHOLE, pa.int64()))
    fields = [(name, kind) for names, kind in kinds for name in names[table].split()]
    if table == RESULTS:
        return pa.schema([*fields, ("lines", pa.list_(pa.string())), ("groups", pa.map_(pa.string(), pa.string()))])
    box = [(name, pa.float64()) for name in ("x0", "y0", "x1", "y1", "p_fake")]
    face = pa.struct([*box, ("person", pa.int64()), ("track", pa.int64())])
    return pa.schema([*fields, ("closer", pa.bool_()), ("faces", pa.list_(face))])


def arrow() -> Any:
    """The module pyarrow. Raises: ConfigError where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(INSTALL) from error
    return pyarrow


log = logging.getLogger(__name__)


class ResultFolder:
    """What is there of a batch. Safe to read while another process writes: a part is there as a whole or not at all."""

    def __init__(self, folder: Path) -> None:
        """Raises: ConfigError without pyarrow."""
        arrow()
        self.folder = folder

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else writes into it meanwhile. Raises: ConfigError where somebody does; OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / ".lock", timeout=0):
                yield
        except Timeout as error:
            raise ConfigError(
                f"Another batch writes into {self.folder}. Wait for it, or choose another folder."
            ) from error

    @classmethod
    def existing(cls, folder: Path) -> Self:
        """Raises: ConfigError where there are no results."""
        found = cls(folder)
        if not found.parts():
            raise ConfigError(
                f"{folder} holds no results of a batch. Name the folder that `drishtiksha batch --out` wrote."
            )
        return found

    def parts(self) -> list[Path]:
        """Of `RESULTS`, oldest first."""
        return sorted((self.folder / RESULTS).glob("part-*.parquet"))

    def scores_of(self, part: Path) -> Path:
        return self.folder / SCORES / part.name

    def broken(self) -> list[Path]:
        """Parts that are cut off or whose keys are damaged; what they held is unknown."""
        return [part for part in self.parts() if not (_is_whole(part, KEYS) and _is_whole(self.scores_of(part)))]

    def set_aside(self) -> list[Path]:
        """Rename broken parts, and remove what a run that was killed left half-written. The new names of the parts."""
        for table in (RESULTS, SCORES):
            for draft in (self.folder / table).glob(".*"):
                draft.unlink()
        aside = []
        for part in self.broken():
            for file in (part, self.scores_of(part)):
                with contextlib.suppress(FileNotFoundError):
                    aside.append(file.rename(file.with_name(file.name + BROKEN)))
        known = {part.name for part in self.parts()}
        for scores in (self.folder / SCORES).glob("part-*.parquet"):
            if scores.name not in known:  # the run ended between the two
                scores.unlink()
        return aside

    def known(self) -> Known:
        """All that need not be done again: the newest row of each file and model, and the results of any bytes.

        Raises: ConfigError for a damaged part.
        """
        return Known(self._keys())

    def _keys(self) -> Iterator[Key]:
        parts = self.parts()
        stay = iter(self._stay(parts).to_pylist())
        for table in self.tables(RESULTS, KEYS, parts):
            for row, newest in zip(_each(table), stay):  # noqa: B905 - `stay` goes on into the next table
                if row["error_kind"] in TRIED_AGAIN:
                    continue
                facts = {name: row[name] for name in FACTS} | {"groups": dict(row["groups"] or ())}
                how = row["recipe"], row["model"]
                if newest and row["sha256"]:
                    yield key_of(facts, row["sha256"], *how)
                if newest and row["version"]:
                    yield version_key(facts, *how)
                if row["error_kind"] is None:
                    yield content_key(row["sha256"], *how)

    def results_of(self, wanted: Set[tuple[str, str, str]]) -> dict[tuple[str, str, str], Row]:
        """Rows with a result of the bytes, recipe and model that are wanted, as far as there are any; the newest part is read first.

        Raises: ConfigError for a damaged part.
        """
        import pyarrow.compute as pc

        found: dict[tuple[str, str, str], Row] = {}
        left = set(wanted)
        for part in reversed(self.parts()):
            if not left:
                break
            hashes = arrow().array(sorted({sha256 for sha256, _, _ in left}))
            if not any(
                pc.any(pc.is_in(table["sha256"], hashes)).as_py() for table in self.tables(RESULTS, CONTENT, [part])
            ):
                continue
            for table in self.tables(RESULTS, None, [part]):
                for row in _each(table.filter(pc.is_in(table["sha256"], hashes))):
                    key = row["sha256"], row["recipe"], row["model"]
                    if key in left and row["result"] is not None:
                        left.remove(key)
                        found[key] = _row(row)
        return found

    def tables(
        self, table: str, columns: Sequence[str] | None = None, parts: Sequence[Path] | None = None
    ) -> Iterator[pa.Table]:
        """Part by part, row group by row group, oldest first; older rows of the same file and model among them.

        Raises: ConfigError for a damaged part.
        """
        pa = arrow()
        for part in self.parts() if parts is None else parts:
            file = part if table == RESULTS else self.scores_of(part)
            try:
                with pa.parquet.ParquetFile(file, page_checksum_verification=True) as opened:
                    for number in range(opened.num_row_groups):
                        group = opened.read_row_group(number, columns=None if columns is None else list(columns))
                        yield group if columns is None else group.select(list(columns))
            except (OSError, pa.ArrowException) as error:
                raise ConfigError(
                    f"{file} is damaged ({_first_line(error)}). Remove it and run the same batch again, which judges its files "
                    "once more."
                ) from error

    def newest(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows of `RESULTS` that count, each file and model once. Raises: ConfigError for a damaged part."""
        parts = self.parts()
        stay, start = self._stay(parts), 0
        for table in self.tables(RESULTS, columns, parts):
            yield table.filter(stay[start : start + len(table)])
            start += len(table)

    def rows(self, but: Collection[str] = ()) -> Iterator[Row]:
        """The rows that count. but: columns that are left out, and None. Raises: ConfigError for a damaged part."""
        columns = [name for name in schema(RESULTS).names if name not in but]
        for table in self.newest(columns):
            for row in table.to_pylist():
                yield _row(row)

    def of(self, name: str) -> list[Row]:
        """The rows of one file that count. Raises: ConfigError where it has none, and for a damaged part."""
        import pyarrow.compute as pc

        tables = (table.filter(pc.equal(table["name"], name)) for table in self.newest())
        found = [_row(row) for table in tables for row in table.to_pylist()]
        if not found:
            raise ConfigError(f"{self.folder} has no result of {name!r}. Name the file as `batch export` does.")
        return found

    def checkpoints(self, models: Sequence[str]) -> dict[str, str | None]:
        """The SHA-256 of the weights that each model had, in that order; None where no result tells it."""
        found: dict[str, str] = {}
        for table in self.newest(["model", "result"]):
            for model, result in zip(table["model"].to_pylist(), table["result"], strict=True):
                if model in models and model not in found and result.is_valid:
                    found[model] = json.loads(result.as_py())["provenance"]["checkpoint_sha256"]
            if len(found) == len(models):
                break
        return {model: found.get(model) for model in models}

    def _stay(self, parts: Sequence[Path]) -> pa.BooleanArray:
        """Of each row in all parts, whether it counts."""
        import numpy as np

        pa = arrow()
        key = schema(RESULTS).field("name"), schema(RESULTS).field("model")
        whole = pa.concat_tables([pa.schema(key).empty_table(), *self.tables(RESULTS, ["name", "model"], parts)])
        numbered = whole.append_column("number", pa.array(np.arange(len(whole))))
        last = numbered.group_by(["name", "model"]).aggregate([("number", "max")])["number_max"]
        stay = np.zeros(len(whole), bool)
        stay[last.to_numpy()] = True
        return pa.array(stay)


class PartWriter:
    """Takes what a batch tells and writes it in parts. Use it in `with`: what is finished is written in the end, too."""

    def __init__(self, folder: ResultFolder) -> None:
        """Raises: OSError where nothing can be written."""
        self._folder = folder
        for table in (RESULTS, SCORES):
            (folder.folder / table).mkdir(parents=True, exist_ok=True)
        self._began = self._written = time.monotonic()
        self._told: list[Told] = []
        self._same: list[Told] = []
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with _uninterrupted():  # whoever presses Ctrl-C twice loses nothing either
            self.flush()
        if self._same:
            log.error("%d rows are missing: the same command judges their files", len(self._same))

    def add(self, told: Told) -> None:
        """Keep a row and its samples, those of another file where the two have the same bytes. Raises: OSError."""
        if told.row is not None:
            self._told.append(told)
            self._bytes += len(told.row.result or "")
        elif told.same_as is not None:
            self._same.append(told)
            self._bytes += LIKE_BYTES
        else:
            return
        now = time.monotonic()
        due = min(LAST_S, max(FIRST_S, SHARE * (now - self._began)))
        if self._bytes > MOST_BYTES or len(self._told) + len(self._same) >= MOST_ROWS or now - self._written > due:
            self.flush()

    def flush(self) -> None:
        """Write a part of what is there. An interruption may have it written twice, which changes nothing."""
        self._written = time.monotonic()
        like, later = self._like()
        if told := self._told + like:
            name = self._next_name()
            self._write(SCORES, name, [row for one in told for row in _sample_rows(one)])
            self._write(RESULTS, name, [_result_row(one) for one in told])
        self._told, self._same, self._bytes = [], later, LIKE_BYTES * len(later)

    def _like(self) -> tuple[list[Told], list[Told]]:
        """What is known by the bytes of other files, as rows; and that whose other file was not told of yet."""
        wanted = {_content(told) for told in self._same}
        found = {_content(told): told.row for told in self._told if told.content and _content(told) in wanted}
        found |= self._folder.results_of(wanted - set(found))
        like, later = [], []
        for told in self._same:
            row = found.get(_content(told))
            if row is None:
                later.append(told)
            else:
                like.append(Told(told.item, told.model, *row_like(row, told.item)))
        return like, later

    def _next_name(self) -> str:
        parts = self._folder.parts()
        number = int(parts[-1].stem.partition("-")[2]) + 1 if parts else 0
        return f"part-{number:08d}.parquet"

    def _write(self, table: str, name: str, rows: list[dict[str, Any]]) -> None:
        pa = arrow()
        target = self._folder.folder / table / name
        draft = draft_of(target)
        try:
            content = pa.Table.from_pylist(rows, schema=schema(table))
            pa.parquet.write_table(content, draft, compression="zstd", write_page_checksum=True, row_group_size=50_000)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C is not heard for the time of a write."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _content(told: Told) -> tuple[str, str, str]:
    assert told.content is not None
    return (*told.content, told.model)


def _each(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Its rows, some at a time, since they take a multiple of the memory as objects."""
    for batch in table.to_batches(max_chunksize=1000):
        yield from batch.to_pylist()


def _row(row: dict[str, Any]) -> Row:
    return Row(**row | {"lines": tuple(row["lines"] or ()), "groups": dict(row["groups"] or ())})


def _result_row(told: Told) -> dict[str, Any]:
    assert told.row is not None
    row = asdict(told.row)
    return row | {"lines": list(told.row.lines), "groups": list(told.row.groups.items())}


def _sample_rows(told: Told) -> Iterator[dict[str, Any]]:
    assert told.row is not None
    common = {name: getattr(told.row, name) for name in ("name", "model", "sha256", "recipe")}
    for sample in told.samples:
        faces = [
            dict(zip(("x0", "y0", "x1", "y1"), face["face_box"], strict=True)) | face
            for face in sample.get("faces", ())
        ]
        yield {**sample, **common, "faces": faces}


def _is_whole(part: Path, columns: Sequence[str] = ()) -> bool:
    """Whether it is not cut off, and these columns can be read."""
    pa = arrow()
    try:
        with pa.parquet.ParquetFile(part, page_checksum_verification=True) as opened:
            for number in range(opened.num_row_groups):
                opened.read_row_group(number, columns=list(columns))
        return True
    except (OSError, pa.ArrowException):
        return False


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
