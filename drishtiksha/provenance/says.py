"""What the fields of a file amount to, in words. Everything here is a claim of the file, not a measurement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from drishtiksha.casefile import ProvenanceFinding
from drishtiksha.provenance.fields import Fields, clean
from drishtiksha.provenance.sources import (
    EDITORS,
    FACE_CHANGERS,
    GENERATORS,
    MADE,
    PARTLY_MADE,
    SIGNS,
    SOURCE_TYPES,
    named,
    source_code,
)
from drishtiksha.results import Grade

NOT_PROOF = "Whether it is true: anybody can write, change or remove such notes with free programs."
SHORT = 160
"""Characters of a field that a finding quotes."""

PROMPT_FIELDS = r"(PNG|WEBP|JPEG|EXIF) (parameters|prompt|workflow|Dream|sd-metadata|invokeai_metadata|invokeai_graph|generation_data)"
SD_PARAMETERS = re.compile(r"\bSteps: \d+.*\bSampler: ", re.DOTALL)
"""How the line of settings of Stable Diffusion web interfaces looks, wherever it is put."""
AIGC_LABEL = re.compile(r"Label[\"']?\s*:\s*[\"']?([123])")
"""In the label that Chinese law asks of services since September 2025 (GB 45438-2025, appendix E): JSON in a field AIGC."""
AIGC_SAYS = {
    "1": "that it was generated",
    "2": "that it may have been generated",
    "3": "that it is suspected of having been generated",
}
MAKERS = (
    r"EXIF (Software|ProcessingSoftware|HostComputer|ImageDescription|Artist|Make|Model)",
    r"XMP (xmp:CreatorTool|photoshop:Credit|dc:creator|.*stEvt:softwareAgent.*|dc:rights|dc:description)",
    r"IPTC (program|credit|by-line|source|caption)",
    r"PNG (Software|Source|Author|Comment|Description)",
    r"(JPEG|GIF) comment",
    r"Container (encoder|encoded_by|software|comment|description|artist|com\.apple\.quicktime\.software|.*publisher)",
    r"Stream \d+ \(\w+\) (encoder|handler_name)",
)
"""Fields that name what made or changed a file."""
PLACES = (r"GPS GPS(Latitude|Longitude)", r"XMP exif:GPS(Latitude|Longitude)", r"Container (location.*|.*ISO6709)")
TAKEN = ("EXIF DateTimeOriginal", "Container com.apple.quicktime.creationdate", "Container creation_time")
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
ZONE_SLACK = timedelta(days=1)
"""Cameras write local time without its zone."""


def metadata_findings(fields: Fields, now: datetime | None = None) -> Iterator[ProvenanceFinding]:
    """All that the fields amount to; `now` (UTC) is the time against which dates are held."""
    yield from _source_type(fields)
    yield from _label(fields)
    yield from _generator(fields)
    yield from _named_programs(fields)
    yield from _camera(fields)
    yield from _place(fields)
    yield from _dates(fields, now or datetime.now(UTC))
    yield from _handed_on(fields)


def _source_type(fields: Fields) -> Iterator[ProvenanceFinding]:
    for _, value in fields.matching(r"XMP .*DigitalSourceType.*"):
        code = source_code(value)
        if code is None:
            continue
        yield ProvenanceFinding(
            kind="metadata",
            title=f"It says that it was {SOURCE_TYPES[code]}"
            if code in MADE | PARTLY_MADE
            else "It says how it came about",
            detail=f"Its IPTC digital source type is {code}: {SOURCE_TYPES[code]}.",
            tells="How the program that wrote the file declares it to have come about.",
            does_not_tell=NOT_PROOF,
            notable=code in MADE | PARTLY_MADE,
            sign=SIGNS.get(code),
        )


def _label(fields: Fields) -> Iterator[ProvenanceFinding]:
    for name, value in fields.items():
        label = AIGC_LABEL.search(value) if "AIGC" in name or "AIGC" in value else None
        if label:
            yield ProvenanceFinding(
                kind="metadata",
                title="It carries the Chinese label of generated content",
                detail=f"The field “{name}” says {AIGC_SAYS[label.group(1)]}: {clean(value, SHORT)}",
                tells="A service that must label generated content, or one that passed it on, labelled it.",
                does_not_tell=NOT_PROOF,
                notable=True,
                sign=Grade.MODERATE,
            )
            return


def _generator(fields: Fields) -> Iterator[ProvenanceFinding]:
    prompts = dict(fields.matching(PROMPT_FIELDS))
    prompts |= {name: value for name, value in fields.items() if SD_PARAMETERS.search(value)}
    if prompts:
        name, value = next(iter(prompts.items()))
        yield ProvenanceFinding(
            kind="metadata",
            title="It carries the settings of a picture generator",
            detail=f"The field “{name}” reads: {clean(value, SHORT)}",
            tells="Programs such as Stable Diffusion web interfaces and ComfyUI write the words and settings that a "
            "picture was generated from into such fields.",
            does_not_tell="Whether all of the picture was generated, nor whether somebody put the text there afterwards.",
            notable=True,
            sign=Grade.MODERATE,
        )
    for name, value in fields.matching(*MAKERS):
        generator = named(GENERATORS, value)
        if generator:
            yield ProvenanceFinding(
                kind="metadata",
                title=f"It names a generator: {generator}",
                detail=f"The field “{name}” reads: {clean(value, SHORT)}",
                tells="A service or program that makes pictures, video or sound is named as its origin.",
                does_not_tell="Whether it is true, nor how much of the file was generated: anybody can write such a note.",
                notable=True,
                sign=Grade.MODERATE,
            )
            return


def _named_programs(fields: Fields) -> Iterator[ProvenanceFinding]:
    seen: set[str] = set()
    for name, value in fields.matching(*MAKERS):
        changer, editor = named(FACE_CHANGERS, value), named(EDITORS, value)
        program = changer or editor
        if program is None or program.lower() in seen:
            continue
        seen.add(program.lower())
        tells = (
            "A program made for changing or swapping faces is named as having written the file."
            if changer
            else "The file was last written by a program in which people edit. This says nothing about manipulation: "
            "newsrooms crop, resize and caption with the same programs."
        )
        yield ProvenanceFinding(
            kind="encoder",
            title=f"It names a program that changes faces: {program}" if changer else f"It was written by {program}",
            detail=f"The field “{name}” reads: {clean(value, SHORT)}",
            tells=tells,
            does_not_tell="What was changed in it, if anything.",
            notable=changer is not None,
            sign=Grade.MODERATE if changer else None,
        )


def _camera(fields: Fields) -> Iterator[ProvenanceFinding]:
    make = fields.get("EXIF Make", "Container com.apple.quicktime.make", "Container make", "XMP tiff:Make")
    model = fields.get("EXIF Model", "Container com.apple.quicktime.model", "Container model", "XMP tiff:Model")
    android = fields.get("Container com.android.version")
    if make is None and model is None and android is None:
        return
    device = " ".join(part for part in (make, model) if part) or f"a device with Android {android}"
    taken = next((value for name in TAKEN if (value := fields.get(name))), None)
    yield ProvenanceFinding(
        kind="metadata",
        title=f"It names a camera: {clean(device, 60)}",
        detail=f"Device: {clean(device, SHORT)}." + (f" Taken: {taken}." if taken else ""),
        tells="Which device the file gives as its origin. Ask the source whether they own it and for the original.",
        does_not_tell=f"{NOT_PROOF} Editing programs also pass such notes on from the picture that they began with.",
    )


def _place(fields: Fields) -> Iterator[ProvenanceFinding]:
    places = [value for _, value in fields.matching(*PLACES)]
    if places:
        yield ProvenanceFinding(
            kind="metadata",
            title="It says where it was taken",
            detail=f"Place: {clean('; '.join(places), SHORT)}. It may lead to a person's home: think before passing it on.",
            tells="A place to compare with what is seen and heard in it.",
            does_not_tell=NOT_PROOF,
        )


def _dates(fields: Fields, now: datetime) -> Iterator[ProvenanceFinding]:
    taken = _moment(fields.get(*TAKEN))
    changed = _moment(fields.get("EXIF DateTime", "XMP xmp:ModifyDate"))
    problems = []
    for what, when in (("taken", taken), ("changed", changed)):
        if when and when > now + ZONE_SLACK:
            problems.append(f"it says it was {what} on {when:%Y-%m-%d}, which lies in the future")
    if taken and changed and changed < taken - ZONE_SLACK:
        problems.append(f"it says it was last changed on {changed:%Y-%m-%d}, before it was taken on {taken:%Y-%m-%d}")
    if problems:
        yield ProvenanceFinding(
            kind="metadata",
            title="Its dates contradict each other or the calendar",
            detail=f"{'; '.join(problems).capitalize()}.",
            tells="At least one of these dates is wrong.",
            does_not_tell="Why: clocks of cameras are often set wrongly, and programs write wrong dates by mistake.",
            notable=True,
        )


def _moment(value: str | None) -> datetime | None:
    """A date of EXIF or ISO 8601, UTC; None where it is no date or one from before digital cameras (a clock not set)."""
    if value is None:
        return None
    text = re.sub(r"^(\d{4}):(\d{2}):(\d{2})", r"\1-\2-\3", value)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return when if when > EARLIEST else None


def _handed_on(fields: Fields) -> Iterator[ProvenanceFinding]:
    note = fields.get("IPTC special instructions")
    if note and note.startswith("FBMD"):
        yield ProvenanceFinding(
            kind="encoder",
            title="It was handed out by Facebook or Instagram",
            detail="Its IPTC special instructions begin with FBMD, a mark that these services write into the pictures that "
            "they serve.",
            tells="It is a copy that a service compressed anew, not the file from the camera. Ask for the original.",
            does_not_tell="Who uploaded it first, nor whether it was manipulated before.",
        )
