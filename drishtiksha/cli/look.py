"""`drishtiksha look`: one frame of a file, untouched or through a filter, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drishtiksha.cli.console import failures_as_exit_codes, out
from drishtiksha.forensics import Filter
from drishtiksha.settings import load_settings


def look(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A picture or a video.")],
    target: Annotated[Path, typer.Option("--out", help="The PNG to write.")],
    at: Annotated[float, typer.Option(min=0, help="Seconds into a video.")] = 0.0,
    through: Annotated[Filter, typer.Option("--filter", help="What to look through.")] = Filter.FRAME,
) -> None:
    """Write the frame that is shown at a time, untouched or through a filter. No filter proves anything."""
    from PIL import Image

    from drishtiksha.answer.looking import look_text
    from drishtiksha.forensics.filters import filtered
    from drishtiksha.forensics.frames import frame_at
    from drishtiksha.media.evidence import Evidence
    from drishtiksha.render import words

    with failures_as_exit_codes():
        limits = load_settings().limits
        evidence = Evidence.open(file, limits)
        frame = frame_at(evidence, at, limits)
        Image.fromarray(filtered(frame.image, through)).save(target, "PNG")
        told = look_text(through)
        out.print(
            f"Wrote {target}: frame {frame.index}, {words.fine_clock(frame.time_s)}.", markup=False, highlight=False
        )
        out.print(f"{told.shows} {told.not_proof}", markup=False, highlight=False)
