"""One line of an answer from the results of the detectors that look there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from drishtiksha.answer import reading as told
from drishtiksha.answer.cards import misses_in
from drishtiksha.answer.objects import Behind, Glance, Line, Place, Span, State, rank
from drishtiksha.answer.places import places
from drishtiksha.answer.reading import Reading
from drishtiksha.answer.texts import Texts
from drishtiksha.casefile import LineKind, Provenance
from drishtiksha.render import words
from drishtiksha.results import MediaInfo

NEEDS_FACE = frozenset({LineKind.FACES, LineKind.LIPS})
NEEDS_SPEECH = frozenset({LineKind.VOICE, LineKind.LIPS})


def line_of(texts: Texts, kind: LineKind, readings: Sequence[Reading]) -> Line:
    """The line takes its strongest proven detector; experimental and retired ones are told and never decide."""
    counted = [one for one in readings if one.card.counted]
    if not counted:
        return _undecided(texts, kind, readings)
    decider = max(counted, key=lambda one: one.rank)
    result, subject = decider.result, told.subject(texts, kind)
    look = places(texts, result, decider.state)
    return Line(
        kind=kind,
        title=told.title(texts, kind),
        state=decider.state,
        grade=decider.grade,
        says=told.state_in_words(texts, decider.state, decider.grade),
        why=told.why(texts, decider, subject, clearest(texts, look), len(suspecting(counted))),
        misses=_misses(texts, decider, counted),
        error_rate=told.error_rate(texts, decider),
        judged=told.judged(texts, result) if decider.state is not State.NOTHING_TO_JUDGE else "",
        spans=tuple(Span(start_s=start, end_s=end) for start, end in words.judged_spans(result)),
        look=look,
        notes=_notes(texts, decider, counted),
        detectors=tuple(_behind(texts, one, one is decider) for one in readings),
    )


def clearest(texts: Texts, look: Sequence[Place]) -> str:
    """The first place to look; "" where it is the one face of a picture, which says nothing."""
    return look[0].text if look and look[0].text != texts("place.face") else ""


def suspecting(readings: Sequence[Reading]) -> list[str]:
    """The families that found signs: detectors of one family err together, so that they count once."""
    return list(dict.fromkeys(one.card.family for one in readings if one.state is State.SIGNS))


def strongest_of_families(readings: Sequence[Reading]) -> list[Reading]:
    """One reading for each family."""
    families: dict[str, list[Reading]] = defaultdict(list)
    for one in readings:
        families[one.card.family].append(one)
    return [max(members, key=lambda one: one.rank) for members in families.values()]


def failed_line(texts: Texts, kind: LineKind, why: str) -> Line:
    """Where every proven detector of the line stopped."""
    text = texts("why.nothing_to_judge.failed", why=why)
    return _empty(texts, kind, text)


def glance_line(texts: Texts, kind: LineKind, glance: Glance, media: MediaInfo) -> Line | None:
    """What is known before a detector ran: that there is nothing for it in the file. None where there may be."""
    reasons = missing_in(texts, glance, face=kind in NEEDS_FACE, speech=kind in NEEDS_SPEECH)
    if not reasons:
        return None
    return _empty(texts, kind, told.nothing_there(texts, media, texts.listed(reasons), glimpsed=glimpsed(glance)))


def missing_in(texts: Texts, glance: Glance, *, face: bool, speech: bool) -> list[str]:
    """ "no face", "no speech": what is asked for and not there."""
    no_face = face and glance.faces == 0
    no_speech = speech and glance.speech_s == 0
    return [texts("gap.no_face")] * no_face + [texts("gap.no_speech")] * no_speech


def glimpsed(glance: Glance) -> bool:
    """Whether no face is known of some frames alone: those of a video that were looked at."""
    return glance.frames != 1 and glance.faces == 0


def history_line(texts: Texts, provenance: Provenance) -> Line:
    """What the file says of itself: signs where it tells of generation or change, else nothing found."""
    signs = [finding for finding in provenance.findings if finding.sign is not None]
    grade = max((f.sign for f in signs if f.sign), key=lambda sign: rank(State.SIGNS, sign), default=None)
    remarks = [f.title for f in provenance.findings if f.notable and f.sign is None]
    kind, state = LineKind.HISTORY, State.SIGNS if signs else State.NOTHING_FOUND
    titles = "; ".join(dict.fromkeys(finding.title for finding in signs))
    return Line(
        kind=kind,
        title=told.title(texts, kind),
        state=state,
        grade=grade,
        says=told.state_in_words(texts, state, grade),
        why=texts("why.signs.history", titles=titles) if signs else texts("why.nothing_found.history"),
        misses=texts("misses.history"),
        notes=(texts("note.notable", titles="; ".join(dict.fromkeys(remarks))),) if remarks else (),
    )


def _undecided(texts: Texts, kind: LineKind, readings: Sequence[Reading]) -> Line:
    measured = [one.result for one in readings if told.unscaled(one.result)]
    key = "uncalibrated" if len(measured) == len(readings) else "experimental"
    line = _empty(texts, kind, texts(f"why.nothing_to_judge.{key}"))
    notes = dict.fromkeys(note for result in measured for note in result.notes)
    behind = tuple(_behind(texts, one, False) for one in readings)
    return line.model_copy(update={"notes": tuple(notes), "detectors": behind})


def _empty(texts: Texts, kind: LineKind, why: str) -> Line:
    state = State.NOTHING_TO_JUDGE
    says = told.state_in_words(texts, state, None)
    return Line(kind=kind, title=told.title(texts, kind), state=state, says=says, why=why)


def _behind(texts: Texts, one: Reading, decides: bool) -> Behind:
    says = told.state_in_words(texts, one.state, one.grade)
    return Behind(
        model_name=one.card.model_name,
        text=told.behind(texts, one, says),
        state=one.state,
        grade=one.grade,
        p_fake=one.result.p_fake,
        counted=one.card.counted,
        decides=decides,
        family=one.card.family,
    )


def _misses(texts: Texts, decider: Reading, counted: Sequence[Reading]) -> str:
    """Of nothing found what each detector behind it misses, else what the deciding one does."""
    together = counted if decider.state is State.NOTHING_FOUND else [decider]
    if decider.state is State.NOTHING_TO_JUDGE:
        return ""
    behind = [one for one in together if one.state is not State.NOTHING_TO_JUDGE]
    return " ".join(dict.fromkeys(text for one in behind if (text := misses_in(texts, one.card))))


def _notes(texts: Texts, decider: Reading, counted: Sequence[Reading]) -> tuple[str, ...]:
    result = decider.result
    found = [*_families(texts, counted)]
    steady = result.seen_enough
    if len(steady) > 1 and decider.state is not State.NOTHING_TO_JUDGE:
        found.append(texts("note.people", count=len(steady)))
    if decider.state is State.SIGNS and not result.calibrated:
        found.append(texts("note.uncalibrated"))
    return (*found, *result.notes)


def _families(texts: Texts, counted: Sequence[Reading]) -> list[str]:
    names: dict[str, list[str]] = defaultdict(list)
    for one in counted:
        if one.state is not State.NOTHING_TO_JUDGE:
            names[one.card.family].append(one.card.model_name)
    return [texts("note.family", models=texts.listed(some)) for some in names.values() if len(some) > 1]
