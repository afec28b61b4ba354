"""Which programs encoded and packed a file, by the traces that they are documented to leave."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

from drishtiksha.casefile import ProvenanceFinding
from drishtiksha.provenance.fields import Fields, clean

TRACES = (
    (r"HandBrake [\d.]+", "HandBrake"),
    (r"Lavf\d[\d.]*", "FFmpeg (packing)"),
    (r"Lavc\d[\d.]*", "FFmpeg (encoding)"),
    (r"x264 - core \d+", "the encoder x264"),
    (r"x265 \(build \d+\)", "the encoder x265"),
    (r"LAME ?3\.[\d.]+", "the encoder LAME"),
    (r"L-SMASH (Video|Audio) Handler", "L-SMASH (packing)"),
    (r"GPAC ISO (Video|Audio) Handler", "GPAC MP4Box (packing)"),
    (r"Core Media (Video|Audio)", "Apple's media library"),
    (r"\x1f?Mainconcept.*Media Handler", "the MainConcept library, as in Adobe Premiere"),
    (r"ISO Media file produced by Google.*", "Google or YouTube"),
    (r"Twitter-vork muxer", "Twitter / X"),
    (r"libebml v[\d.]+.*", "Matroska tools"),
    (r"mkvmerge v.*", "Matroska tools"),
)
"""Text in encoder, handler and signature fields, and who writes it."""
WHERE = (
    r"Container (encoder|encoded_by|comment|writing_app)( \(\d+\))?",
    r"Stream \d+ \(\w+\) (encoder|handler_name|vendor_id)( \(\d+\))?",
)
"""Names of fields; the same one of a further recording in the file has a number."""

STANDARD_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Table K.1 of ITU-T T.81, which the library libjpeg scales by its quality setting."""

EXPORTED = "It was exported by software. This says nothing about manipulation: nearly every file on the network was."
NOT_TOLD = "Who exported it, what it was before, nor whether the traces are genuine."


def of_recording(fields: Fields, signatures: Iterable[str]) -> Iterator[ProvenanceFinding]:
    """From the notes of a container and the signatures in its packets."""
    texts = [value for _, value in fields.matching(*WHERE)] + list(signatures)
    found: dict[str, str] = {}
    for pattern, who in TRACES:
        match = next((hit for text in texts if (hit := re.search(pattern, text))), None)
        if match:
            found.setdefault(who, clean(match.group(), 60))
    if found:
        yield ProvenanceFinding(
            kind="encoder",
            title="It was written by " + _listed(list(found)),
            detail="Traces: " + ", ".join(f"“{trace}”" for trace in found.values()) + ".",
            tells=EXPORTED,
            does_not_tell=NOT_TOLD,
        )


def of_jpeg(tables: dict[int, list[int]]) -> Iterator[ProvenanceFinding]:
    """From the quantisation tables of a JPEG file, as Pillow gives them: row by row."""
    if 0 not in tables or len(tables[0]) != 64:
        return
    quality = standard_quality(tables[0])
    if quality is None:
        yield ProvenanceFinding(
            kind="encoder",
            title="Its compression tables are the writing program's own",
            detail="They are none of those that the common library libjpeg writes.",
            tells="Cameras, phones, Adobe programs and some services use tables of their own.",
            does_not_tell="Which of them it was, nor whether the picture was edited.",
        )
        return
    yield ProvenanceFinding(
        kind="encoder",
        title=f"It was saved with standard compression tables, quality {quality}",
        detail=f"Its tables are those of the common library libjpeg at quality {quality}.",
        tells="A program or service wrote it. Cameras mostly use tables of their own, so it is probably not the file from a "
        "camera.",
        does_not_tell="Whether it was edited: converting a picture or sending it through a service does the same.",
    )


def standard_quality(table: list[int]) -> int | None:
    """libjpeg's quality setting (1-100) that gives this table of 64 steps for brightness; None where none does."""
    standard = np.array(STANDARD_LUMA)
    wanted = np.array(table).reshape(8, 8)
    for quality in range(100, 0, -1):
        scale = 5000 // quality if quality < 50 else 200 - 2 * quality
        if (np.clip((standard * scale + 50) // 100, 1, 255) == wanted).all():
            return quality
    return None


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
