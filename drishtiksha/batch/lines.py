"""Results as JSON Lines: each is on the disk as soon as it is known, and a batch that was stopped goes on behind it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drishtiksha.errors import ConfigError
from drishtiksha.report.files import draft_of, require_writable

Document = dict[str, Any]
"""An `AnalysisResult` as JSON, with the path that was given; or an `Answer`, with `path` and `recipe`; or `path`, `file`,
`model_name` and `error`."""

NAME = "results.jsonl"
ENDINGS = (".jsonl", ".ndjson")


def lines_at(out: Path, name: str = NAME) -> Path:
    """The file for the results: `out` itself, or `name` in the folder `out`. Raises: ConfigError for another ending."""
    if out.is_dir() or not out.suffix:
        return out / name
    if out.suffix.lower() not in ENDINGS:
        raise ConfigError(
            f"--out {out}: results are written as JSON Lines; wanted a folder or a file that ends in .jsonl."
        )
    return out


@dataclass(frozen=True)
class _Line:
    """Where a document lies in the file, and what it was made from."""

    start: int
    length: int
    sha256: str | None
    recipe: str
    explained: bool


class ResultLines:
    """The newest document of each path and model counts. Documents stay on the disk; only their places are in memory."""

    def __init__(self, path: Path) -> None:
        """Lines that were cut short are dropped. Raises: ConfigError when the file there holds something else; OSError."""
        require_writable(path)
        self.path = path
        self._lines: dict[tuple[str, str], _Line] = {}
        self._replaced = False
        if path.exists():
            self._read()

    def find(self, path: str, sha256: str, model: str, recipe: str, *, explained: bool) -> Document | None:
        """The result kept for the same bytes by the same recipe. explained: only one that was made with pictures."""
        line = self._lines.get((path, model))
        if line is None or (line.sha256, line.recipe) != (sha256, recipe) or (explained and not line.explained):
            return None
        return self._document(line)

    def newest(self, path: str, model: str | None) -> Document:
        """Raises: KeyError."""
        return self._document(self._lines[path, model or ""])

    def add(self, document: Document) -> None:
        """Append a document; all of it is in the file afterwards or nothing. Raises: OSError."""
        data = json.dumps(document, ensure_ascii=False).encode() + b"\n"
        with self.path.open("ab", buffering=0) as file:
            start, rest = file.seek(0, os.SEEK_END), memoryview(data)
            try:
                while rest:
                    rest = rest[file.write(rest) :]
            except BaseException as error:
                os.ftruncate(file.fileno(), start)
                if isinstance(error, OSError):
                    raise OSError(error.errno, error.strerror, str(self.path)) from error
                raise
        self._note(document, start, len(data))

    def tidy(self) -> None:
        """Write the file anew, in one step, where documents in it were replaced. Raises: OSError."""
        if not self._replaced:
            return
        draft = draft_of(self.path)
        try:
            with draft.open("wb") as new, self.path.open("rb") as old:
                for line in self._lines.values():
                    old.seek(line.start)
                    new.write(old.read(line.length))
            draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)
        self._lines.clear()
        self._read()

    def _read(self) -> None:
        self._replaced = False
        end = 0
        with self.path.open("rb") as file:
            for data in file:
                document = _parsed(data)
                if document is None and data.endswith(b"\n"):
                    raise ConfigError(
                        f"{self.path} holds something else than results of this program. Choose another file."
                    )
                if document is None:
                    break
                self._note(document, end, len(data))
                end += len(data)
        if end < self.path.stat().st_size:
            os.truncate(self.path, end)

    def _note(self, document: Document, start: int, length: int) -> None:
        path, model = document["path"], document.get("model_name") or ""
        if "error" not in document:
            self._replaced |= self._lines.pop((path, ""), None) is not None  # of a failure before a model was chosen
        self._replaced |= self._lines.pop((path, model), None) is not None
        made = document.get("provenance") or {}
        scored = any(score.get("p_fake") is not None for score in document.get("scores", ()))
        self._lines[path, model] = _Line(
            start,
            length,
            (document.get("media") or {}).get("sha256"),
            document.get("recipe") or made.get("recipe", ""),
            not scored or "explain" in document.get("stage_seconds", {}),
        )

    def _document(self, line: _Line) -> Document:
        with self.path.open("rb") as file:
            file.seek(line.start)
            found: Document = json.loads(file.read(line.length))
        return found

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Document]:
        return map(self._document, self._lines.values())


def _parsed(data: bytes) -> Document | None:
    """None for what is no document, or was cut short."""
    try:
        document = json.loads(data) if data.endswith(b"\n") else None
    except ValueError:
        return None
    return document if isinstance(document, dict) and isinstance(document.get("path"), str) else None
