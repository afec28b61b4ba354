"""What a batch examines, one by one: a file of this machine or an address, what it is called, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drishtiksha.batch.sources import written
from drishtiksha.settings import MediaLimits


@dataclass(frozen=True)
class Item:
    """One file of a batch; small and picklable, so that millions pass through an iterator.

    name: how results call it, unique in a batch. path: a path of this machine, or an address with `://`. label: `real` or
    `fake`, where that is known. groups: what else is known, such as `{"method": "FaceSwap", "split": "test", "source": "Ada"}`.
    version: of an address, what changes with its content and is known without reading it (an ETag, say); else empty.
    """

    name: str
    path: str
    label: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


def items_of(files: Iterable[Path]) -> Iterator[Item]:
    """Files without labels, named as they were given."""
    for file in files:
        yield Item(written(file), str(file))


@contextmanager
def on_disk(item: Item, limits: MediaLimits) -> Iterator[Path]:  # noqa: ARG001 - bounds what is fetched
    """The file on this machine, for as long as the block lasts. The one place where an item is opened."""
    yield Path(item.path)
