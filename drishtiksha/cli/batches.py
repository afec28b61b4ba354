"""The files of one command, one after the other: each document is kept before the next file is opened."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from drishtiksha.batch.lines import NAME, Document, ResultLines, lines_at
from drishtiksha.batch.sources import Sources, written
from drishtiksha.cli.console import STDOUT, Exit, err, exit_code, write_json
from drishtiksha.errors import DrishtikshaError, MediaError
from drishtiksha.render.words import counted
from drishtiksha.report.files import is_stream

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
NOT_EXAMINED = "not examined"
MOST_NAMED = 10
"""Files that the summary names."""


def nothing() -> None:
    """Where there is nothing to do."""


@dataclass(frozen=True)
class Done:
    """What is known of a file. known: from an earlier run. draw: called before the document is kept, and show after it."""

    document: Document
    code: Exit = Exit.DONE
    known: bool = False
    draw: Callable[[], None] = nothing
    show: Callable[[], None] = nothing


class FileByFile(ABC):
    """`complete` once all files have an answer, which may be why there is none."""

    model: str | None = None
    """The model that all files are examined with."""
    kinds: Sequence[str] = ()
    """What `kind` may give, in the order of the summary."""
    remarkable: str
    """What the summary calls the files that `remark` names."""

    def __init__(self, sources: Sources, kept: ResultLines | None, *, quiet: bool) -> None:
        """kept: where documents go; None: they stay in memory. quiet: print no results."""
        self.sources, self.kept, self._quiet = sources, kept, quiet
        self._done: list[tuple[str, str | None]] = []
        self._in_memory: list[Document] = []
        self._counts: Counter[str] = Counter()
        self._remarks: list[tuple[float, str]] = []
        self._known = 0
        self.complete = False

    @abstractmethod
    def examine(self, file: Path, path: str, label: str) -> Done:
        """path: of the file, as text for documents. label: what it is called. May raise anything."""

    @abstractmethod
    def kind(self, document: Document) -> str:
        """One of `kinds`."""

    @abstractmethod
    def remark(self, document: Document) -> tuple[float, str] | None:
        """Of a file that the summary names: how much it is worth that, and what stands before its path."""

    def told(self, document: Document) -> Document:
        """A document as it stands in the JSON."""
        return document

    def ends_all(self, error: DrishtikshaError) -> bool:
        """Whether every other file would meet this error, too."""
        return False

    def all(self) -> Exit:
        """The code for scripts. Raises: what every other file would meet, too; OSError where nothing can be written."""
        codes = [self._one(file) for file in self.sources.files]
        self.complete = True
        if self.kept is not None:
            self.kept.tidy()
        return max(codes)

    def documents(self) -> Iterator[Document]:
        """What is known of each file so far, in order."""
        if self.kept is None:
            yield from self._in_memory
            return
        for path, model in self._done:
            yield self.kept.newest(path, model)

    def holds_all(self) -> bool:
        """Whether all is done, and nothing else is kept beside it."""
        return self.complete and self.kept is not None and len(self.kept) == len(set(self._done))

    def tell_end(self) -> None:
        """A summary, where there are several files or it came to a stop."""
        total = len(self.sources.files)
        if total > 1:
            for line in self._summary(total):
                err.print(line, markup=False, highlight=False)
        if self.kept is not None and self._done and not self.complete:
            told = f"What was found is kept in {self.kept.path}; the same command goes on from there."
            err.print(told, markup=False, highlight=False)

    def _summary(self, total: int) -> Iterator[str]:
        counts = ", ".join(f"{self._counts[kind]} {kind}" for kind in (*self.kinds, NOT_EXAMINED) if self._counts[kind])
        stopped = "" if self.complete else f"Stopped after {len(self._done)} of "
        before = f" {self._known} of them were done before." if self._known else ""
        yield f"{stopped}{counted(total, 'file')}: {counts or 'nothing is finished'}.{before}"
        for _, line in sorted(self._remarks, reverse=True)[:MOST_NAMED]:
            yield f"  {line}"
        if len(self._remarks) > MOST_NAMED:
            yield f"  and {len(self._remarks) - MOST_NAMED} more that {self.remarkable}"
        if over := self.sources.passed_over:
            endings = ", ".join(f"{count} {ending}" for ending, count in sorted(over.items()))
            yield f"Passed over in folders, since they are no media: {endings}."

    def _one(self, file: Path) -> Exit:
        """Raises: as `all`."""
        from drishtiksha.services.runs import failure_of

        path, label = written(file), file.name if self.sources.single else written(file)
        try:
            done = self.examine(file, path, label)
        except Exception as raised:
            if isinstance(raised, OSError) and raised.errno in DISK_FULL:
                raise
            error = raised if isinstance(raised, MediaError) else failure_of(f"The examination of {file.name}", raised)
            if self.ends_all(error):
                raise
            err.print(f"[bold]{escape(f'{label}: {error}')}[/bold]")
            self._keep({"path": path, "file": file.name, "model_name": self.model, "error": str(error)})
            return exit_code(error)
        if done.known:
            self._known += 1
            self._note(done.document)
            return done.code
        done.draw()
        self._keep(done.document)
        if not self._quiet:
            done.show()
        return done.code

    def _keep(self, document: Document) -> None:
        if self.kept is not None:
            self.kept.add(document)
        else:
            self._in_memory.append(document)
        self._note(document)

    def _note(self, document: Document) -> None:
        self._counts[NOT_EXAMINED if "error" in document else self.kind(document)] += 1
        if "error" not in document and (found := self.remark(document)) is not None:
            self._remarks.append((found[0], f"{found[1]}  {document['path']}"))
        self._done.append((document["path"], document.get("model_name")))


@dataclass(frozen=True)
class Targets:
    """Where the documents of a command go. lines: `--out`. json: `--json`. part: beside it, until all are known; None where
    they are kept in memory."""

    lines: Path | None
    json: Path | None
    part: Path | None

    @classmethod
    def of(cls, out: Path | None, json: Path | None, name: str = NAME) -> Targets:
        """name: of the lines, where `out` is a folder. Raises: ConfigError for another ending than that of lines."""
        lines = lines_at(out, name) if out is not None else None
        in_memory = lines is not None or json is None or json == STDOUT or is_stream(json)
        return cls(lines, json, None if in_memory or json is None else json.with_name(f"{json.name}.part"))

    @property
    def own(self) -> list[Path]:
        """What is written, and no file to examine."""
        return [path for path in (self.lines, self.part, self.json) if path is not None]

    @property
    def quiet(self) -> bool:
        """Whether the standard output is for the documents alone."""
        return self.json == STDOUT

    def kept(self) -> ResultLines | None:
        """Raises: ConfigError; OSError."""
        path = self.lines or self.part
        return None if path is None else ResultLines(path)

    def run(self, batch: FileByFile) -> Exit:
        """All files, a summary, and the JSON of what is finished, whatever happens. Raises: as `FileByFile.all`."""
        try:
            return batch.all()
        finally:
            batch.tell_end()
            if self.json is not None:
                self._write_json(batch)

    def _write_json(self, batch: FileByFile) -> None:
        """After a stop an older file stays as it is, and what is finished stays in `part`."""
        assert self.json is not None
        single = batch.sources.single
        documents = [batch.told(document) for document in batch.documents()]
        if not documents:
            return
        if self.json == STDOUT or batch.complete or not self.json.exists():
            write_json(self.json, documents, single=single)
        if self.part is not None and batch.holds_all():
            self.part.unlink()
