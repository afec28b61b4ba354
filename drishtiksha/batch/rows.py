"""One row a file and model, and one a sample: what a batch keeps of a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drishtiksha.batch.items import Item
from drishtiksha.batch.sources import file_name, is_address, shown
from drishtiksha.errors import (
    DecodeStalledError,
    DrishtikshaError,
    MediaError,
    MediaLimitError,
    NotFetchedError,
    UnreadableMediaError,
    WrongMediaKindError,
)
from drishtiksha.media.evidence import display_name
from drishtiksha.results import AnalysisResult, MediaInfo, MediaKind

UNREADABLE, OTHER_KIND = "unreadable", "other_kind_of_media"
MODEL_FAILED, WORKER_DIED, NOT_FETCHED = "model_failed", "worker_died", "not_fetched"
KINDS: dict[type[DrishtikshaError], str] = {
    UnreadableMediaError: UNREADABLE,
    MediaLimitError: "over_limits",
    DecodeStalledError: "decoder_stalled",
    WrongMediaKindError: OTHER_KIND,
    NotFetchedError: NOT_FETCHED,
}
"""Why a file has no result at all; what was examined without a score has a `GapReason`."""
TRIED_AGAIN = frozenset({MODEL_FAILED, WORKER_DIED, NOT_FETCHED})
"""Kinds of errors that the next run of the same command may be rid of. What is wrong with a file stays so."""

Sample = dict[str, Any]
"""A `SampleScore` as plain values."""


@dataclass(frozen=True)
class Row:
    """One file by one model. With `error` there is no result; without, `result` is all of it as JSON.

    lines: the sentences that the verdict rests on. rate: frames of a video, samples of a recording, a second.
    """

    name: str
    path: str
    model: str
    sha256: str | None = None
    recipe: str = ""
    kind: str | None = None
    prediction: str | None = None
    grade: str | None = None
    p_fake: float | None = None
    coverage: float | None = None
    gap: str | None = None
    lines: tuple[str, ...] = ()
    seconds: float | None = None
    error: str | None = None
    error_kind: str | None = None
    label: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    threshold_real: float | None = None
    threshold_fake: float | None = None
    container: str | None = None
    size_bytes: int | None = None
    duration_s: float | None = None
    rate: float | None = None
    version: str = ""
    result: str | None = None


def row_of(item: Item, recipe: str, result: AnalysisResult) -> tuple[Row, list[Sample]]:
    """What is kept of a result."""
    media = result.media
    named = result.model_copy(update={"path": item.name})
    row = Row(
        **facts_of(item),
        model=result.model_name,
        sha256=media.sha256,
        recipe=recipe,
        kind=media.kind.value,
        prediction=result.prediction.value,
        grade=result.grade.value,
        p_fake=result.p_fake,
        coverage=result.coverage,
        gap=result.gap.value if result.gap else None,
        lines=result.reasons,
        seconds=result.processing_time,
        threshold_real=result.thresholds.real,
        threshold_fake=result.thresholds.fake,
        container=media.container,
        size_bytes=media.size_bytes,
        duration_s=media.duration_s,
        rate=_rate(media),
        result=named.model_dump_json(),
    )
    return row, [score.model_dump(mode="json") for score in result.scores]


def row_like(row: Row, item: Item) -> tuple[Row, list[Sample]]:
    """What is kept of a result for another file with the same bytes."""
    assert row.result is not None
    result = AnalysisResult.model_validate_json(row.result)
    media = result.media.model_copy(update={"name": display_name(file_name(item.path))})
    return row_of(item, row.recipe, result.model_copy(update={"media": media}))


def failed_row(item: Item, model: str, recipe: str, sha256: str | None, error: str, kind: str) -> Row:
    """A file that has no result by this model, and why. kind: one of `KINDS`, or `MODEL_FAILED` or `WORKER_DIED`."""
    return Row(**facts_of(item), model=model, sha256=sha256, recipe=recipe, error=error, error_kind=kind)


def kind_of(error: DrishtikshaError) -> str:
    """The kind of error that a row is given."""
    return KINDS.get(type(error), UNREADABLE if isinstance(error, MediaError) else MODEL_FAILED)


def facts_of(item: Item) -> dict[str, Any]:
    """What a row says of a file beside its bytes."""
    path = shown(item.path) if is_address(item.path) else item.path
    return {
        "name": item.name,
        "path": path.encode("utf-8", "backslashreplace").decode(),
        "label": item.label,
        "groups": dict(item.groups),
        "version": item.version,
    }


def _rate(media: MediaInfo) -> float | None:
    return media.fps if media.kind is MediaKind.VIDEO else media.sample_rate
