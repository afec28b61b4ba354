"""The data of the voice detector: everything it learns from, brought to one form and listed in one table.

    python -m training.voice_spoof.cache --data ../shared/data --cache runs/voice_spoof/cache

Rows that are there are kept; a run that was cut off goes on. Prints what is in the cache, by side of the split. The
copies that neural vocoders make come from `vocoders`.
"""

from __future__ import annotations

import argparse
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

from training.voice_spoof.copies import MAKERS, Copy, copies, planned
from training.voice_spoof.corpora import SHORTEST_S, SOUNDS, Made, asterisk, librispeech, libritts
from training.voice_spoof.engines import engines
from training.voice_spoof.index import Recording, append, read_index, waveform
from training.voice_spoof.split import SIDES, split

PROCESSES = 2
"""That make copies."""

SEED = 3
"""Of the split."""


def add_recordings(data: Path, sounds: Path, cache: Path) -> int:
    """People, the published synthetic speech and the engines; how many recordings are new.

    data: the shared data folder; sounds: where Asterisk's are. Recordings that are too short to hear are left out.
    """
    done = {row.path for row in read_index(cache)}
    made = chain(librispeech(data, done), libritts(data, done), asterisk(sounds, done), engines(done))
    return append(cache, (pair for pair in made if pair[0].seconds >= SHORTEST_S))


def add_copies(cache: Path, plan: Callable[[Recording], list[Copy]] = planned) -> int:
    """The copies of every real recording that need no training; how many are new. plan: which copies one gets."""
    rows = read_index(cache)
    done = {row.path for row in rows}
    work = [(origin, [copy for copy in plan(origin) if copy.of(origin).path not in done]) for origin in originals(rows)]
    with ProcessPoolExecutor(PROCESSES) as pool:
        made = pool.map(partial(_copies_of, cache), [pair for pair in work if pair[1]], chunksize=4)
        return append(cache, chain.from_iterable(made))


def _copies_of(cache: Path, work: tuple[Recording, list[Copy]]) -> list[Made]:
    origin, wanted = work
    return list(copies(origin, waveform(cache, origin), MAKERS, wanted))


def originals(rows: list[Recording]) -> list[Recording]:
    """The real recordings that are no copies, in mixed order: the copies of a run that was cut off are of all corpora."""
    found = [row for row in rows if not row.fake and not row.origin]
    return sorted(found, key=lambda row: zlib.crc32(row.path.encode()))


def table(rows: list[Recording]) -> str:
    """Recordings and minutes for each corpus, system and language, and how many of them are on each side."""
    side_of = {row.path: side for side, members in split(rows, SEED).items() for row in members}
    key: tuple[str, ...]
    counts: Counter[tuple[str, ...]] = Counter()
    minutes: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for row in rows:
        key = (row.label, row.corpus, row.system, row.language)
        counts[(*key, side_of.get(row.path, "unused"))] += 1
        minutes[key] += row.seconds / 60
    columns = (*SIDES, "unused")
    lines = [f"{'label':5} {'corpus':12} {'system':22} {'lang':4} {'min':>6} " + " ".join(f"{c:>6}" for c in columns)]
    for key in sorted(minutes, reverse=True):
        numbers = " ".join(f"{counts[(*key, column)]:6d}" for column in columns)
        lines.append(f"{key[0]:5} {key[1]:12} {key[2]:22} {key[3]:4} {minutes[key]:6.1f} {numbers}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the shared data folder")
    parser.add_argument("--cache", type=Path, default=Path("runs/voice_spoof/cache"))
    parser.add_argument("--sounds", type=Path, default=SOUNDS, help="where Asterisk's sounds are installed")
    options = parser.parse_args(arguments)
    print(f"{add_recordings(options.data, options.sounds, options.cache)} new recordings", flush=True)
    print(f"{add_copies(options.cache)} new copies", flush=True)
    print(table(read_index(options.cache)))


if __name__ == "__main__":
    main()
