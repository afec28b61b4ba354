"""The fields of a video or recording, from its container and its streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av.error

from drishtiksha.media.channels import PLACES
from drishtiksha.provenance.fields import Fields
from drishtiksha.provenance.xmp import read_xmp

if TYPE_CHECKING:
    from av.container import InputContainer

MAX_STREAMS = 20
XMP_KEYS = ("xmp", "XMP_")


def read_container(container: InputContainer, fields: Fields) -> None:
    """Add the notes of the container and of each stream."""
    for key, value in container.metadata.items():
        if key in XMP_KEYS and read_xmp(value, fields):
            continue
        fields.add(f"Container {key}", value)
    for stream in tuple(container.streams)[:MAX_STREAMS]:
        title = f"Stream {stream.index + 1} ({stream.type})"
        try:
            codec = stream.codec_context
        except av.error.FFmpegError:
            codec = None
        if codec is not None:
            fields.add(f"{title} codec", f"{codec.codec.canonical_name} {codec.profile or ''}")
            fields.add(f"{title} codec tag", getattr(codec, "codec_tag", ""))
        for key, value in stream.metadata.items():
            if key != PLACES and (key, value) != ("language", "und"):
                fields.add(f"{title} {key}", value)
