"""Content Credentials in words: who signed, what the record claims, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drishtiksha.casefile import CredentialState, ProvenanceFinding
from drishtiksha.provenance.credentials import Credentials
from drishtiksha.provenance.fields import Fields, clean
from drishtiksha.provenance.sources import MADE, PARTLY_MADE, SIGNS, SOURCE_TYPES, source_code
from drishtiksha.results import Grade

MAX_MANIFESTS = 20
MAX_ACTIONS = 40

ACTIONS = {
    "c2pa.addedText": "text added",
    "c2pa.adjustedColor": "colours adjusted",
    "c2pa.changedSpeed": "speed changed",
    "c2pa.color_adjustments": "colours adjusted",
    "c2pa.converted": "converted to another format",
    "c2pa.created": "created",
    "c2pa.cropped": "cropped",
    "c2pa.deleted": "something deleted",
    "c2pa.drawing": "drawn on",
    "c2pa.dubbed": "another voice put in",
    "c2pa.edited": "edited",
    "c2pa.edited.metadata": "notes edited",
    "c2pa.enhanced": "enhanced",
    "c2pa.filtered": "a filter applied",
    "c2pa.opened": "opened from an existing file",
    "c2pa.orientation": "turned",
    "c2pa.placed": "another file placed into it",
    "c2pa.published": "published",
    "c2pa.redacted": "parts of the record taken out",
    "c2pa.removed": "a part removed",
    "c2pa.repackaged": "packed anew",
    "c2pa.resized": "resized",
    "c2pa.transcoded": "compressed anew",
    "c2pa.translated": "translated",
    "c2pa.trimmed": "trimmed",
    "c2pa.unknown": "something not named was done",
    "c2pa.watermarked": "marked with a watermark",
}
"""Actions of the C2PA specification, in words."""

TELLS = {
    CredentialState.TRUSTED: "That this signer vouches for the record, and that the file was not changed since. Whether the "
    "claims are true rests on the signer.",
    CredentialState.UNKNOWN_SIGNER: "That the file was not changed since somebody signed it. Who that was is not known here: "
    "the name in the signature was given by the signer.",
    CredentialState.BROKEN: "What the record claims. As it does not fit the file, do not rely on any of it.",
}
SIGNED = {
    CredentialState.TRUSTED: "Signed by",
    CredentialState.UNKNOWN_SIGNER: "Signed by somebody who goes by",
    CredentialState.BROKEN: "Said to be signed by",
}
NOT_TOLD = "Whether what is seen or heard really happened, nor what was done before the record began."
NO_ANCHORS = " No list of trusted signers is set up here, so every signer counts as unknown."

NOT_LOOKED = ProvenanceFinding(
    kind="credentials",
    title="It could not be searched for Content Credentials",
    detail="Files of this kind, or damaged as this one is, cannot be read by the library that checks credentials.",
    tells="Nothing.",
    does_not_tell="Whether there is a signed record in it.",
)


def credential_findings(credentials: Credentials) -> Iterator[ProvenanceFinding]:
    """What the credentials amount to; nothing where there are none."""
    if not credentials.looked:
        yield NOT_LOOKED
    if credentials.remote is not None:
        yield _elsewhere(credentials.remote)
    if credentials.state is CredentialState.BROKEN:
        yield _broken(credentials)
    if not credentials.active:
        return
    yield ProvenanceFinding(
        kind="credentials",
        title=f"{SIGNED[credentials.state]} {_signer(credentials.active)}",
        detail=_record(credentials),
        tells=TELLS[credentials.state],
        does_not_tell=NOT_TOLD,
    )
    codes = list(dict.fromkeys(code for manifest in _chain(credentials) for code in _sources(manifest)))
    for code in codes:
        if code in MADE | PARTLY_MADE:
            yield _generated(code, credentials.state)


def add_fields(credentials: Credentials, fields: Fields) -> None:
    """The claims as they stand in the record."""
    for number, manifest in enumerate(_chain(credentials), 1):
        title = "C2PA" if number == 1 else f"C2PA ingredient record {number - 1}"
        signature = _mapping(manifest.get("signature_info"))
        fields.add(f"{title} title", manifest.get("title"))
        fields.add(f"{title} generator", _generator(manifest))
        fields.add(f"{title} signer", _signer(manifest))
        fields.add(f"{title} signed at", signature.get("time"))
        fields.add(f"{title} certificate number", signature.get("cert_serial_number"))
        fields.add(f"{title} actions", ", ".join(str(action.get("action")) for action in _actions(manifest)))
        fields.add(f"{title} source types", ", ".join(_sources(manifest)))
        for ingredient in _mappings(manifest.get("ingredients"))[:MAX_MANIFESTS]:
            fields.add(f"{title} made from", f"{ingredient.get('title')} ({ingredient.get('relationship')})")
    fields.add("C2PA validation failures", ", ".join(credentials.failures))
    fields.add("C2PA record elsewhere", credentials.remote)


def _chain(credentials: Credentials) -> list[dict[str, Any]]:
    """The newest manifest, then those of the files that it was made from."""
    active = credentials.active
    others = [one for one in credentials.manifests.values() if isinstance(one, dict) and one is not active]
    return ([active] if active else []) + others[: MAX_MANIFESTS - 1]


def _record(credentials: Credentials) -> str:
    manifest = credentials.active
    steps = [_step(action) for action in _actions(manifest)]
    signed = _mapping(manifest.get("signature_info")).get("time")
    parts = [
        f"Written by {_generator(manifest) or 'a program that is not named'}.",
        f"Signed at {clean(signed, 40)} (as a time stamp in the signature states)."
        if signed
        else "No time stamp of a third party.",
        f"Claimed steps: {'; '.join(dict.fromkeys(steps))}." if steps else "No steps are claimed.",
    ]
    others = len(_chain(credentials)) - 1
    if others:
        parts.append(f"Earlier records inside: {others}.")
    known = credentials.anchors or credentials.state is not CredentialState.UNKNOWN_SIGNER
    return " ".join(parts) + ("" if known else NO_ANCHORS)


def _step(action: dict[str, Any]) -> str:
    name = str(action.get("action"))
    step = ACTIONS.get(name, clean(name, 60))
    code = source_code(str(action.get("digitalSourceType") or ""))
    return f"{step} ({SOURCE_TYPES[code]})" if code else step


def _broken(credentials: Credentials) -> ProvenanceFinding:
    reasons = [_why(code) for code in credentials.failures] or ["the record is not valid"]
    return ProvenanceFinding(
        kind="credentials",
        title="Its Content Credentials do not fit the file",
        detail=f"{'; '.join(dict.fromkeys(reasons))}.".capitalize(),
        tells="The file or its record was changed after it was signed, damaged, or the signature never was valid.",
        does_not_tell="Who changed what, nor whether on purpose: a program that does not know of credentials breaks them by "
        "merely saving the file.",
        notable=True,
        sign=Grade.WEAK,
    )


def _why(code: str) -> str:
    """A validation code of the C2PA specification, in words."""
    if code == "unreadable":
        return "the record cannot be read"
    if code.endswith("Hash.mismatch"):
        return "the content was changed after it was signed"
    if code in ("assertion.hashedURI.mismatch", "hashedURI.mismatch"):
        return "a part of the record was changed"
    if code.startswith("claimSignature"):
        return "the signature is not valid, or was made outside the time for which the certificate was"
    if code.startswith("signingCredential"):
        return f"the signer's certificate cannot be used ({code.partition('.')[2]})"
    return f"the check “{clean(code, 60)}” failed"


def _generated(code: str, state: CredentialState) -> ProvenanceFinding:
    weak = " The record is broken, so this is only a claim." if state is CredentialState.BROKEN else ""
    return ProvenanceFinding(
        kind="credentials",
        title=f"Its credentials say: {SOURCE_TYPES[code]}",
        detail=f"A record in the file gives the digital source type {code}.{weak}",
        tells="The program that wrote the record declares this itself; there is seldom a reason to claim it falsely.",
        does_not_tell="Which parts were generated, nor whether the words around the file mislead.",
        notable=True,
        sign=Grade.STRONG if state is CredentialState.TRUSTED and code in MADE else SIGNS[code],
    )


def _elsewhere(address: str) -> ProvenanceFinding:
    return ProvenanceFinding(
        kind="credentials",
        title="It points to Content Credentials on the network",
        detail=f"They are said to lie at {clean(address, 200) or 'an address that is not given'}. They were not fetched: "
        "nothing leaves this computer.",
        tells="A record may exist. Whoever runs that address would see that somebody looks at the file.",
        does_not_tell="Whether the record exists, fits the file or is true.",
        notable=True,
    )


def _signer(manifest: dict[str, Any]) -> str:
    signature = _mapping(manifest.get("signature_info"))
    names = dict.fromkeys(clean(signature.get(key), 80) for key in ("common_name", "issuer"))
    given = [name for name in names if name]
    if not given:
        return "a signer without a name"
    return given[0] + (f" ({given[1]})" if len(given) > 1 else "")


def _generator(manifest: dict[str, Any]) -> str:
    named = [
        " ".join(clean(one.get(key), 60) for key in ("name", "version")).strip()
        for one in _mappings(manifest.get("claim_generator_info"))
    ]
    return ", ".join(name for name in named if name) or clean(manifest.get("claim_generator"), 120)


def _actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for assertion in _mappings(manifest.get("assertions")):
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            found += _mappings(_mapping(assertion.get("data")).get("actions"))
    return found[:MAX_ACTIONS]


def _sources(manifest: dict[str, Any]) -> list[str]:
    codes = (source_code(str(action.get("digitalSourceType") or "")) for action in _actions(manifest))
    return list(dict.fromkeys(code for code in codes if code))


def _mapping(value: object) -> dict[str, Any]:
    """A record comes from the file: nothing in it need have the form that it should have."""
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
