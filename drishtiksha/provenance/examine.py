"""Looks at one file for what it says of itself and for traces of how it was made. Nothing leaves the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PIL import Image, UnidentifiedImageError

from drishtiksha.casefile import CredentialState, Provenance, ProvenanceFinding
from drishtiksha.errors import DecodeStalledError, MediaError, TimeUpError, UnreadableMediaError
from drishtiksha.media.container import open_container
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.formats import unreadable
from drishtiksha.media.guard import Pulse, guarded_call
from drishtiksha.media.image import open_picture
from drishtiksha.media.joined import recordings_in
from drishtiksha.provenance import claims, encoders, recompression, says, structure, thumbnail
from drishtiksha.provenance.boxes import read_tracks
from drishtiksha.provenance.credentials import Credentials, read_credentials
from drishtiksha.provenance.fields import Fields
from drishtiksha.provenance.packets import Packets, read_packets
from drishtiksha.provenance.pictures import read_picture
from drishtiksha.provenance.recordings import read_container
from drishtiksha.results import MediaKind
from drishtiksha.settings import MediaLimits

if TYPE_CHECKING:
    from av.container import InputContainer

T = TypeVar("T")

ISO_FILES = ("mp4", "mov", "m4a", "3gp")
"""Of `MediaInfo.container`, those made of boxes."""

NO_NOTES = ProvenanceFinding(
    kind="metadata",
    title="It does not say where it comes from",
    detail="Neither a camera nor a place nor a known program is named in it.",
    tells="Nothing. Messengers and social networks remove such notes from nearly everything that passes through them.",
    does_not_tell="Whether it is genuine or manipulated. Ask for the file as it came out of the camera.",
)


def examine(evidence: Evidence, limits: MediaLimits, anchors: Path | None = None) -> Provenance:
    """Everything that the file says of itself, and traces of its making.

    `anchors`: a PEM file of trusted signers of Content Credentials. Each step has `limits.provenance_step_s` seconds; one
    that takes longer or fails becomes a finding, and the others go on. The pixels need not be readable.

    Raises: ConfigError when the anchors cannot be used.
    """
    steps, fields = _Steps(evidence, limits), Fields()
    credentials = steps.run("Content Credentials", lambda pulse, _: read_credentials(evidence, pulse, anchors), fields)
    credentials = credentials or Credentials(CredentialState.ABSENT, looked=False)
    claims.add_fields(credentials, fields)
    found = _picture(steps, fields) if evidence.media.kind is MediaKind.IMAGE else _recording(steps, fields)
    said = [*claims.credential_findings(credentials), *says.metadata_findings(fields)]
    if not any(finding.kind in ("credentials", "metadata", "encoder") for finding in said):
        said.append(NO_NOTES)
    return Provenance(credentials=credentials.state, findings=(*said, *found, *steps.failed), fields=fields.as_dict())


class _Steps:
    """Does one thing after the other with a file. `failed`: a finding for each that came to no end."""

    def __init__(self, evidence: Evidence, limits: MediaLimits) -> None:
        self.path, self.media, self.limits = evidence.path, evidence.media, limits
        self.failed: list[ProvenanceFinding] = []

    def run(self, what: str, work: Callable[[Pulse, Fields], T], fields: Fields) -> T | None:
        """What `work` returns; the fields that it adds to its own go into `fields`. None where it failed or took too long."""
        own, seconds = Fields(), self.limits.provenance_step_s
        try:
            done = guarded_call(
                lambda pulse: work(pulse, own), self.path, name=self.media.name, stall_s=seconds, budget_s=seconds
            )
        except (TimeUpError, DecodeStalledError):
            self.failed.append(_out_of_time(what, seconds))
            return None
        except MediaError:
            self.failed.append(_unreadable(what))
            return None
        fields.merge(own)
        return done


def _picture(steps: _Steps, fields: Fields) -> list[ProvenanceFinding]:
    def notes(_: Pulse, own: Fields) -> tuple[Image.Image, list[ProvenanceFinding]]:
        try:
            picture = open_picture(steps.path, steps.media.name, steps.limits)
        except UnidentifiedImageError as error:
            raise unreadable(steps.media.name, "its header is damaged") from error
        found = [_unreadable(f"{block} block") for block in read_picture(picture, own)]
        return picture, [*found, *encoders.of_jpeg(getattr(picture, "quantization", {}))]

    def traces(_: Pulse, __: Fields) -> list[ProvenanceFinding]:
        return recompression.compression_findings(recompression.measure(picture))

    def preview(_: Pulse, __: Fields) -> list[ProvenanceFinding]:
        return thumbnail.preview_findings(picture)

    opened = steps.run("notes", notes, fields)
    if opened is None:
        return []
    picture, found = opened
    compared = steps.run("pixels", traces, fields)
    if compared is None:
        return found  # the preview cannot be compared with what cannot be read, or is still being read
    with picture:
        return [*found, *compared, *(steps.run("preview block", preview, fields) or ())]


def _recording(steps: _Steps, fields: Fields) -> list[ProvenanceFinding]:
    path, name, limits = steps.path, steps.media.name, steps.limits

    def notes(_: Pulse, own: Fields) -> int:
        recordings = 0
        for container in _containers(path, name, limits):
            read_container(container, own)
            recordings += 1
        return recordings

    def packets(pulse: Pulse, _: Fields) -> Packets:
        return Packets.joined(
            [read_packets(container, name, limits, pulse) for container in _containers(path, name, limits)]
        )

    def structures(_: Pulse, __: Fields) -> list[ProvenanceFinding]:
        tracks = read_tracks(path) if steps.media.container in ISO_FILES else []
        return list(structure.packet_findings(read, tracks))

    recordings = steps.run("notes", notes, fields)
    found = steps.run("packets", packets, fields)
    read = Packets.none() if found is None else found
    for signature in read.signatures:
        fields.add("Signature in the data", signature)
    traces = list(encoders.of_recording(fields, read.signatures))
    if recordings is not None and recordings > 1:
        traces.append(structure.joined_finding(recordings))
    if steps.media.kind is not MediaKind.VIDEO or found is None:
        return traces
    return [*traces, *(steps.run("structure", structures, fields) or ())]


def _containers(path: Path, name: str, limits: MediaLimits) -> Iterator[InputContainer]:
    """The file, or one after the other the recordings that it is joined of, as far as they can be opened; each is closed behind its turn.

    Raises: UnreadableMediaError where none can be.
    """
    failed: UnreadableMediaError | None = None
    opened = 0
    for span in recordings_in(path) or (None,):
        try:
            container = open_container(path, name, limits, span)
        except UnreadableMediaError as error:
            failed = error
            continue
        opened += 1
        with container:
            yield container
    if failed is not None and not opened:
        raise failed


def _unreadable(what: str) -> ProvenanceFinding:
    return ProvenanceFinding(
        kind="structure",
        title=f"Its {what} cannot be read",
        detail=f"This part of the file ({what}) is damaged or not written as the standard asks.",
        tells="Some program wrote or cut the file carelessly, or it was damaged on its way.",
        does_not_tell="Whether this happened on purpose. Many programs write faulty files.",
    )


def _out_of_time(what: str, seconds: float) -> ProvenanceFinding:
    return ProvenanceFinding(
        kind="structure",
        title=f"Its {what} could not be looked at in time",
        detail=f"This part of the file ({what}) took longer than {seconds:g} seconds to read, so it was passed over.",
        tells="It is very large, damaged, or made to keep a program busy.",
        does_not_tell="What stands in it.",
        notable=True,
    )
