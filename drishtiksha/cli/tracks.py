"""`drishtiksha tracks`: what a file holds, and what it carries along, as files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drishtiksha.cli.console import failures_as_exit_codes, out
from drishtiksha.settings import load_settings


def tracks(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A picture, video or recording.")],
    save: Annotated[
        Path | None,
        typer.Option(help="Write covers, attached pictures and embedded videos into this folder, to be examined too."),
    ] = None,
) -> None:
    """List the tracks of a file, and the pictures and videos that it carries along."""
    from drishtiksha.media.embedded import embedded_files
    from drishtiksha.media.evidence import Evidence
    from drishtiksha.render.facts import track_words
    from drishtiksha.results import MediaKind, TrackKind

    with failures_as_exit_codes():
        limits = load_settings().limits
        evidence = Evidence.open(file, limits)
        media = evidence.media
        for track in media.tracks:
            out.print(f"  {track_words(track)}", markup=False, highlight=False)
        if not media.tracks:
            out.print(
                "  One picture." if media.kind is MediaKind.IMAGE else "  At most one picture and one sound track."
            )
        carried = any(track.kind in (TrackKind.COVER, TrackKind.EMBEDDED) for track in media.tracks)
        if save is None or not carried:
            return
        save.mkdir(parents=True, exist_ok=True)
        for name, content in embedded_files(evidence.path, media.name, limits):
            target = save / name
            target.write_bytes(content)
            out.print(f"Wrote {target}", markup=False, highlight=False)
