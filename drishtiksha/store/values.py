"""How values go into columns and come back."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

CASE_GONE = "This case is no longer here: it was deleted, or its time is over. Upload the file again."
JOB_GONE = "This analysis is no longer here: its case was deleted, or its time is over. Upload the file again."


def is_id(text: object) -> bool:
    """Whether it is of the form of the ids that are given out; anything may come from an address bar."""
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{32}", text) is not None


def utc(seconds: float) -> str:
    """ISO 8601 with milliseconds, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def utc_or_none(seconds: float | None) -> str | None:
    return None if seconds is None else utc(seconds)


def storable(text: str, longest: int | None = None) -> str:
    """Text that every database takes: without NUL and half characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")[:longest]


def names(column: str) -> tuple[str, ...]:
    return tuple(json.loads(column))


def by_name(column: str) -> dict[str, str]:
    return dict(json.loads(column))


def to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)
