"""Published data sets, read from the layout in which they are distributed: each file with its label, group and source.

A group is named `what/how`, as in a manifest: the method or generator, and how the file reached the listener (compression,
codec, split). A source is whoever is seen or heard, so that intervals draw people and not files.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from drishtiksha.batch.folders import Folder, LocalFolder
from drishtiksha.batch.items import Item
from drishtiksha.batch.sources import is_address, local_name
from drishtiksha.errors import ConfigError, ManifestError

MOST_NAMED = 3
"""Missing files that an error names."""


@dataclass(frozen=True)
class _Entry:
    """A file as its data set tells of it. name: relative to the folder. method, how: the two parts of its group; "" where the
    set tells none. how_is: what `how` is."""

    name: str
    fake: bool
    source: str
    split: str = ""
    method: str = ""
    how: str = ""
    how_is: str = "split"

    @property
    def group(self) -> str:
        return f"{self.method}/{self.how}" if self.method and self.how else self.method


@dataclass(frozen=True)
class Layout:
    """How a data set is laid out. `marks`: what is looked for at the top of its folder, for the error that names it."""

    title: str
    marks: str
    read: Callable[[Folder], Iterator[_Entry]]


def folder_at(source: str) -> Folder:
    """Of a path of this machine, or of an address. Raises: ConfigError for an address that cannot be opened."""
    path = local_name(source)
    if not is_address(path):
        return LocalFolder(Path(path))
    from drishtiksha.batch.remote import RemoteFolder

    return RemoteFolder(path)


def read_dataset(folder: Folder, form: str, split: str | None = None) -> Iterator[Item]:
    """The files of a data set, as they are found, named relative to it; `split` takes one part of it, such as `test`.

    Their groups are `group` and `source`, which an evaluation reports and draws by, and, where the set tells them, `split`,
    `method` and `compression`, `codec` or `generator`.

    Raises: ConfigError for a format that is not known; ManifestError that names what is missing in the folder.
    """
    layout = layout_of(form)
    found: set[str] = set()
    count = 0
    for entry in layout.read(folder):
        found.add(entry.split)
        if split is None or entry.split == split:
            count += 1
            yield _item(folder, entry)
    if not count:
        splits = ", ".join(sorted(found - {""}))
        told = f"no files of the part {split!r}. It has {splits or 'no parts'}" if found else "no files"
        raise ManifestError(f"{folder.name} ({layout.title}) holds {told}.")


def _item(folder: Folder, entry: _Entry) -> Item:
    told = {
        "group": entry.group,
        "source": entry.source,
        "split": entry.split,
        "method": entry.method,
        entry.how_is: entry.how,
    }
    label = "fake" if entry.fake else "real"
    return Item(entry.name, folder.path_of(entry.name), label, {key: value for key, value in told.items() if value})


def layout_of(form: str) -> Layout:
    """Raises: ConfigError that names the known ones."""
    try:
        return LAYOUTS[form.lower()]
    except KeyError:
        raise ConfigError(f"--format {form} is not known. Wanted: {', '.join(LAYOUTS)}.") from None


def _require(folder: Folder, listed: Iterable[str], present: Container[str], by: str) -> None:
    """Raises: ManifestError that counts the listed files that are not there, and names some."""
    names = list(listed)
    missing = [name for name in names if name not in present]
    if missing:
        more = ", ..." if len(missing) > MOST_NAMED else ""
        raise ManifestError(
            f"{folder.name}: {len(missing)} of {len(names)} files that {by} lists are missing: "
            f"{', '.join(missing[:MOST_NAMED])}{more}. Complete the download, or list the files that you have in a CSV file."
        )


def _lacks(folder: Folder, layout: str, what: str) -> ManifestError:
    return ManifestError(
        f"{folder.name} is not laid out as {layout}: {what} is missing. Name the folder that holds it, or choose another --format."
    )


def _text(folder: Folder, name: str, layout: str) -> str:
    try:
        return folder.text(name)
    except FileNotFoundError:
        raise _lacks(folder, layout, name) from None


def _json(folder: Folder, name: str) -> Any:
    try:
        return json.loads(folder.text(name))
    except ValueError as error:
        raise ManifestError(f"{folder.name}: {name} is no JSON: {error}. Download it again.") from error


def _ends(name: str, *endings: str) -> bool:
    return name.lower().endswith(endings)


# --- FaceForensics++ -------------------------------------------------------------------------------------------------

_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
_SEQUENCES = {"original_sequences": False, "manipulated_sequences": True}
_IN_VIDEOS = re.compile(r"[^/]+/[^/]+/[^/]+/videos/[^/]+")
"""Beside them lie masks, models and images."""
_SPLITS = ("train", "val", "test")


def _faceforensics(folder: Folder) -> Iterator[_Entry]:
    """original_sequences/youtube/c23/videos/033.mp4 and manipulated_sequences/Deepfakes/c23/videos/033_097.mp4.

    033_097 shows 033 with the face or expression of 097; the two are one source, as the official splits keep them together.
    Splits come from splits/{train,val,test}.json of the repository of FaceForensics++, where they were copied into the folder.
    """
    title = LAYOUTS["faceforensics"].title
    videos = {
        top: [name for name in folder.files(top) if _IN_VIDEOS.fullmatch(name) and _ends(name, *_VIDEOS)]
        for top in _SEQUENCES
    }
    for top, names in videos.items():
        if not names:
            raise _lacks(folder, title, f"a video such as {top}/*/c23/videos/*.mp4")
    pairs, splits = _pairs(videos["manipulated_sequences"]), _official_splits(folder)
    for top, names in videos.items():
        for name in names:
            _, method, compression, _, file = name.split("/")
            who = file.partition(".")[0].partition("_")[0]
            by_actors = method in ("actors", "DeepFakeDetection")
            source = f"actor {who}" if by_actors else pairs.get(who, who)
            split = "" if by_actors else splits.get(who, "")
            yield _Entry(name, _SEQUENCES[top], source, split, method, compression, "compression")


def _pairs(manipulated: Iterable[str]) -> dict[str, str]:
    """The pair of each sequence of YouTube, `033+097` in order, by the names of its manipulations."""
    stems = (PurePosixPath(name).stem for name in manipulated)
    found = (match for stem in stems if (match := re.fullmatch(r"(\d{3})_(\d{3})", stem)))
    return {one: "+".join(sorted(match.groups())) for match in found for one in match.groups()}


def _official_splits(folder: Folder) -> dict[str, str]:
    splits: dict[str, str] = {}
    for split in _SPLITS:
        for name in (f"splits/{split}.json", f"dataset/splits/{split}.json", f"{split}.json"):
            try:
                splits |= {one: split for pair in _json(folder, name) for one in pair}
            except FileNotFoundError:
                continue
            break
    return splits


# --- Celeb-DF --------------------------------------------------------------------------------------------------------

_CELEB_FOLDERS = {"Celeb-real": False, "YouTube-real": False, "Celeb-synthesis": True}
_CELEB_LIST = "List_of_testing_videos.txt"


def _celebdf(folder: Folder) -> Iterator[_Entry]:
    """Celeb-real/id0_0000.mp4, Celeb-synthesis/id0_id1_0000.mp4 (video 0000 of id0 with the face of id1), YouTube-real/00000.mp4.

    The list has a line for each testing video, `1 YouTube-real/00170.mp4`, with 1 for real; all others are `train`.
    """
    title = LAYOUTS["celebdf"].title
    here = {name.lower(): name for name in folder.folders()}
    files: dict[str, tuple[str, str]] = {}
    for top in _CELEB_FOLDERS:
        if top.lower() not in here:
            raise _lacks(folder, title, f"the folder {top}")
        files |= {_celeb_key(name): (top, name) for name in folder.files(here[top.lower()]) if _ends(name, *_VIDEOS)}
    lines = (line.split() for line in _text(folder, _CELEB_LIST, title).splitlines())
    testing = {_celeb_key(cells[-1]): cells[0] for cells in lines if cells}
    _require(folder, testing, files, _CELEB_LIST)
    for key, (top, name) in files.items():
        fake = _CELEB_FOLDERS[top]
        if testing.get(key, str(int(not fake))) != str(int(not fake)):
            raise ManifestError(
                f"{folder.name}: {_CELEB_LIST} marks {name} with {testing[key]}, which its folder contradicts."
            )
        split = "test" if key in testing else "train"
        stem = PurePosixPath(key).stem
        source = f"{top}/{stem}" if top == "YouTube-real" else stem.partition("_")[0]
        yield _Entry(name, fake, source, split, top, split)


def _celeb_key(name: str) -> str:
    """Folder and file in lower case, also where the videos lie in a folder of their own (Celeb-real/videos/...)."""
    parts = name.replace("\\", "/").lower().split("/")
    return f"{parts[0]}/{parts[-1]}"


# --- DFDC ------------------------------------------------------------------------------------------------------------


def _dfdc(folder: Folder) -> Iterator[_Entry]:
    """metadata.json beside the videos, in the folder or in each dfdc_train_part_N: {"a.mp4": {"label": "FAKE", "split":
    "train", "original": "b.mp4"}}, with `is_fake` in the place of the label in the test set; dataset.json of the preview."""
    title = LAYOUTS["dfdc"].title
    found = False
    for part in ("", *(f"{name}/" for name in folder.folders())):
        for name in ("metadata.json", "dataset.json"):
            try:
                metadata = _json(folder, part + name)
            except FileNotFoundError:
                continue
            found = True
            yield from _dfdc_part(folder, part, name, metadata)
    if not found:
        raise _lacks(folder, title, "metadata.json, in it or in one of its folders,")


def _dfdc_part(folder: Folder, part: str, by: str, metadata: Any) -> Iterator[_Entry]:
    if not isinstance(metadata, dict) or not all(isinstance(facts, dict) for facts in metadata.values()):
        raise ManifestError(f"{folder.name}: {part}{by} is not that of DFDC: wanted a file's name and its facts.")
    present = {name.removeprefix(part) for name in folder.files(part.rstrip("/"))}
    _require(folder, metadata, present, part + by)
    for name, facts in metadata.items():
        split = str(facts.get("split") or facts.get("set") or "")
        method = name.split("/")[0] if "/" in name else ""  # of the preview: method_A/..., original_videos/...
        shown = facts.get("target_id")
        source = f"person {shown}" if shown is not None else part + str(facts.get("original") or name)
        yield _Entry(part + name, _dfdc_label(folder, part + by, name, facts), source, split, method, split)


def _dfdc_label(folder: Folder, by: str, name: str, facts: Mapping[str, Any]) -> bool:
    label = str(facts.get("label", "")).lower()
    if label in ("real", "fake"):
        return label == "fake"
    if facts.get("is_fake") in (0, 1):
        return bool(facts["is_fake"])
    raise ManifestError(f"{folder.name}: {by} gives no label of {name}: wanted REAL or FAKE.")


# --- ASVspoof --------------------------------------------------------------------------------------------------------

_SOUNDS = (".flac", ".wav")
_KEYS = {"bonafide": False, "spoof": True}


@dataclass(frozen=True)
class _Protocol:
    """Where a row of a protocol holds what; `how` are the columns of codec and transmission."""

    year: str
    pattern: re.Pattern[str]
    columns: range
    key: int
    what: int
    how: tuple[int, ...] = ()
    split: int | None = None


_PROTOCOLS = (
    # LA_0039 LA_E_2834763 - A11 spoof
    _Protocol("2019", re.compile(r"ASVspoof2019\.LA\.cm\.(train|dev|eval)\.tr[nl]\.txt$"), range(5, 6), 4, 3),
    # LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval
    _Protocol("2021 LA", re.compile(r"(?:^|/)CM/trial_metadata\.txt$"), range(8, 9), 5, 4, (2, 3), 7),
    # LA_0023 DF_E_2000011 nocodec asvspoof A14 spoof notrim progress traditional_vocoder - - - -
    _Protocol("2021 DF", re.compile(r"(?:^|/)CM/trial_metadata\.txt$"), range(9, 14), 5, 8, (2,), 7),
    # T_4850 T_0000000000 F - - - AC3 A05 spoof -
    _Protocol("5", re.compile(r"ASVspoof5\.(train|dev|eval)(?:\.track_1)?\.tsv$"), range(10, 11), 8, 7, (3,)),
)


def _asvspoof(folder: Folder) -> Iterator[_Entry]:
    """Protocols of ASVspoof 2019 LA, 2021 LA and DF (CM/trial_metadata.txt of the keys) and 5 (track 1), wherever they lie in
    the folder, and the recordings that they name. A protocol of which no recording is there is passed over.

    Groups are attack and codec (DF: kind of vocoder and codec); without a codec, attack and split.
    """
    title = LAYOUTS["asvspoof"].title
    protocols: list[str] = []
    sounds: dict[str, str] = {}
    for name in folder.files():
        if _ends(name, *_SOUNDS):
            sounds.setdefault(PurePosixPath(name).stem, name)
        elif any(protocol.pattern.search(name) for protocol in _PROTOCOLS):
            protocols.append(name)
    if not protocols:
        raise _lacks(
            folder, title, "a protocol with keys (ASVspoof2019.LA.cm.*.txt, CM/trial_metadata.txt or ASVspoof5.*.tsv)"
        )
    taken: set[str] = set()
    for name in protocols:
        rows = [cells for line in _text(folder, name, title).splitlines() if (cells := line.split())]
        if not any(len(cells) > 1 and cells[1] in sounds for cells in rows):
            continue
        entries = [_asvspoof_row(folder, name, number, cells) for number, cells in enumerate(rows, 1)]
        _require(folder, (entry.name for entry in entries), sounds, name)
        for entry in entries:
            if entry.name not in taken:
                taken.add(entry.name)
                yield replace(entry, name=sounds[entry.name])
    if not taken:
        raise _lacks(folder, title, f"every recording that {', '.join(protocols[:MOST_NAMED])} names")


def _asvspoof_row(folder: Folder, name: str, number: int, cells: list[str]) -> _Entry:
    """The row with the recording's identifier in the place of the name."""
    for protocol in _PROTOCOLS:
        match = protocol.pattern.search(name)
        if match is None or len(cells) not in protocol.columns or cells[protocol.key] not in _KEYS:
            continue
        fake = _KEYS[cells[protocol.key]]
        split = cells[protocol.split] if protocol.split is not None else match[1]
        how = "+".join(cells[column] for column in protocol.how if cells[column] not in ("-", "none", "nocodec"))
        attack = cells[protocol.what] if fake else "bonafide"
        if not protocol.how:
            return _Entry(cells[1], fake, cells[0], split, attack, split)
        return _Entry(cells[1], fake, cells[0], split, attack, how or "nocodec", "codec")
    raise ManifestError(
        f"{folder.name}: line {number} of {name} is not as in ASVspoof {', '.join(one.year for one in _PROTOCOLS)}: "
        f"{' '.join(cells)[:80]!r}."
    )


# --- In-the-Wild -----------------------------------------------------------------------------------------------------

_WILD_LABELS = {"bona-fide": False, "bonafide": False, "spoof": True}


def _inthewild(folder: Folder) -> Iterator[_Entry]:
    """meta.csv with file, speaker, label (bona-fide or spoof), beside the recordings or one folder above them."""
    title = LAYOUTS["inthewild"].title
    tops = ["", *(f"{name}/" for name in folder.folders())]
    for top in tops:
        try:
            text = folder.text(f"{top}meta.csv")
            break
        except FileNotFoundError:
            continue
    else:
        raise _lacks(folder, title, "meta.csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    if missing := [name for name in ("file", "speaker", "label") if not rows or name not in rows[0]]:
        raise ManifestError(f"{folder.name}: meta.csv has no column {', '.join(missing)}.")
    files = {PurePosixPath(name).name: name for name in folder.files(top.rstrip("/")) if _ends(name, *_SOUNDS)}
    _require(folder, (row["file"] for row in rows), files, "meta.csv")
    for number, row in enumerate(rows, 2):
        label = row["label"]
        if label not in _WILD_LABELS:
            raise ManifestError(
                f"{folder.name}: line {number} of meta.csv has the label {label!r}; wanted bona-fide or spoof."
            )
        yield _Entry(files[row["file"]], _WILD_LABELS[label], row["speaker"])


# --- real/ and fake/ -------------------------------------------------------------------------------------------------

_TREES = {"real": False, "0_real": False, "nature": False, "fake": True, "1_fake": True, "ai": True}
_PARTS = ("train", "val", "valid", "validation", "test")


def _tree(folder: Folder) -> Iterator[_Entry]:
    """Trees of pictures or other media below `real` and `fake`, `0_real` and `1_fake` (CNNDetection), or `nature` and `ai`
    (GenImage: stable_diffusion_v_1_4/imagenet_ai_0419_sdv4/val/ai/...). The first folder above names the generator."""
    seen = {False: 0, True: 0}
    for name in folder.files():
        parts = name.split("/")[:-1]
        places = [index for index, part in enumerate(parts) if part.lower() in _TREES]
        if not places:
            continue
        fake = _TREES[parts[places[-1]].lower()]
        above = parts[: places[-1]]
        generator = next((part for part in above if part.lower() not in _PARTS), "")
        split = next((part.lower() for part in above if part.lower() in _PARTS), "")
        seen[fake] += 1
        method = ("fake" if fake else "real") if generator else ""
        yield _Entry(name, fake, name, split, method, generator, "generator")
    for fake, count in seen.items():
        if not count:
            names = " or ".join(name for name, is_fake in _TREES.items() if is_fake is fake)
            raise _lacks(folder, LAYOUTS["tree"].title, f"a folder {names} with files")


LAYOUTS: dict[str, Layout] = {
    "faceforensics": Layout("FaceForensics++", "original_sequences/, manipulated_sequences/", _faceforensics),
    "celebdf": Layout("Celeb-DF", "Celeb-real/, Celeb-synthesis/, YouTube-real/, List_of_testing_videos.txt", _celebdf),
    "dfdc": Layout("DFDC", "metadata.json, in it or in dfdc_train_part_*/", _dfdc),
    "asvspoof": Layout("ASVspoof 2019, 2021 or 5", "protocols with keys, and flac/", _asvspoof),
    "inthewild": Layout("In-the-Wild", "meta.csv", _inthewild),
    "tree": Layout("a tree of real/ and fake/", "real/ and fake/, 0_real/ and 1_fake/, or nature/ and ai/", _tree),
}
"""By what `--format` takes."""
