"""What a batch examines, one by one: a file of this machine or an address, what it is called, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drishtiksha.batch.sources import is_address, shown, written
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

    @property
    def fake(self) -> bool:
        return self.label == "fake"

    @property
    def group(self) -> str:
        """What an evaluation reports it under; "" where it is in none."""
        return self.groups.get("group", "")

    @property
    def source(self) -> str:
        """Whoever is seen or heard: an evaluation's intervals draw whole sources. The name where that is not known."""
        return self.groups.get("source") or self.name


def items_of(files: Iterable[Path]) -> Iterator[Item]:
    """Files without labels, named as they were given."""
    for file in files:
        yield Item(written(file), str(file))


def items_at(address: str) -> Iterator[Item]:
    """What lies at an address: a file, all below a folder, or what a pattern such as `s3://bucket/*.mp4` matches.

    Raises: ConfigError for addresses that cannot be opened; NotFetchedError.
    """
    from drishtiksha.batch.remote import files_at

    return (Item(shown(found.address), found.address, version=found.version) for found in files_at(address))


@contextmanager
def on_disk(item: Item, limits: MediaLimits) -> Iterator[Path]:
    """The file on this machine, for as long as the block lasts; what lies at an address is fetched and deleted afterwards.
    The one place where an item is opened.

    Raises: NotFetchedError and MediaLimitError for an address.
    """
    if is_address(item.path):
        from drishtiksha.batch.remote import spooled

        with spooled(item.path, limits) as path:
            yield path
    else:
        yield Path(item.path)
