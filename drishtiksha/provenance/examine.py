"""Looks at one file for what it says of itself and for traces of how it was made. Nothing leaves the machine."""

from __future__ import annotations

from pathlib import Path

from drishtiksha.casefile import Provenance, ProvenanceFinding
from drishtiksha.media.container import open_container
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.guard import Pulse, guarded_call
from drishtiksha.media.image import open_picture
from drishtiksha.provenance import claims, encoders, recompression, says, structure, thumbnail
from drishtiksha.provenance.boxes import read_tracks
from drishtiksha.provenance.credentials import read_credentials
from drishtiksha.provenance.fields import Fields
from drishtiksha.provenance.packets import read_packets
from drishtiksha.provenance.pictures import BROKEN_FIELDS, read_picture
from drishtiksha.provenance.recordings import read_container
from drishtiksha.results import MediaKind
from drishtiksha.settings import MediaLimits

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

    `anchors`: a PEM file of trusted signers of Content Credentials. Damaged metadata becomes a finding.

    Raises: UnreadableMediaError, MediaLimitError, DecodeStalledError when the file itself cannot be opened; ConfigError when
    the anchors cannot be used.
    """
    name = evidence.media.name

    def work(pulse: Pulse) -> Provenance:
        fields = Fields()
        credentials = read_credentials(evidence, pulse, anchors)
        pulse.beat()
        claims.add_fields(credentials, fields)
        if evidence.media.kind is MediaKind.IMAGE:
            found = _picture(evidence, limits, fields)
        else:
            found = _recording(evidence, limits, fields, pulse)
        said = [*claims.credential_findings(credentials), *says.metadata_findings(fields)]
        if not any(finding.kind in ("credentials", "metadata", "encoder") for finding in said):
            said.append(NO_NOTES)
        return Provenance(credentials=credentials.state, findings=(*said, *found), fields=fields.as_dict())

    return guarded_call(work, name=name, stall_s=limits.stall_s)


def _picture(evidence: Evidence, limits: MediaLimits, fields: Fields) -> list[ProvenanceFinding]:
    with open_picture(evidence.path, evidence.media.name, limits) as picture:
        found = [_unreadable_block(block) for block in read_picture(picture, fields)]
        found += encoders.of_jpeg(getattr(picture, "quantization", {}))
        try:
            found += recompression.compression_findings(recompression.measure(picture))
            found += thumbnail.preview_findings(picture)
        except BROKEN_FIELDS:
            found.append(_unreadable_block("preview"))
    return found


def _recording(evidence: Evidence, limits: MediaLimits, fields: Fields, pulse: Pulse) -> list[ProvenanceFinding]:
    name = evidence.media.name
    with open_container(evidence.path, name, limits) as container:
        pulse.beat()
        read_container(container, fields)
        packets = read_packets(container, name, limits, pulse)
    for signature in packets.signatures:
        fields.add("Signature in the data", signature)
    traces = list(encoders.of_recording(fields, packets.signatures))
    if evidence.media.kind is not MediaKind.VIDEO:
        return traces
    tracks = read_tracks(evidence.path) if evidence.media.container in ISO_FILES else []
    return [*traces, *structure.packet_findings(packets, tracks)]


def _unreadable_block(block: str) -> ProvenanceFinding:
    return ProvenanceFinding(
        kind="structure",
        title=f"Its {block} block cannot be read",
        detail=f"There is {block} metadata in the file, but it is damaged or not written as the standard asks.",
        tells="Some program wrote or cut the file carelessly, or it was damaged on its way.",
        does_not_tell="Whether this happened on purpose. Many programs write faulty metadata.",
    )
