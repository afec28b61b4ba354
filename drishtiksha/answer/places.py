"""Where to look: the most suspicious stretches, people and regions behind a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from drishtiksha.answer.objects import Place, State
from drishtiksha.answer.texts import Texts
from drishtiksha.render import words
from drishtiksha.results import AnalysisResult, FaceScore, MediaInfo, SampleScore

MOST_PLACES = 5


@dataclass
class _Stretch:
    """Suspicious samples in a row, of one person where people were followed."""

    person: int | None
    last: int
    hits: list[tuple[SampleScore, FaceScore | None, float]] = field(default_factory=list)


def places(texts: Texts, result: AnalysisResult, state: State) -> tuple[Place, ...]:
    """Of signs every suspicious stretch, of unclear the one moment that scored highest; the most suspicious first."""
    if state not in (State.SIGNS, State.UNCLEAR):
        return ()
    hits = list(_hits(result))
    suspicious = [hit for hit in hits if hit[3] >= result.thresholds.fake] if state is State.SIGNS else []
    kept = suspicious or sorted(hits, key=lambda hit: hit[3], reverse=True)[:1]
    several = len(hits) > 1
    found = [_place(texts, result, stretch, several) for stretch in _stretches(kept)]
    shown = [place for place in found if place is not None]
    return tuple(sorted(shown, key=lambda place: place.p_fake, reverse=True)[:MOST_PLACES])


def _hits(result: AnalysisResult) -> Iterator[tuple[int, SampleScore, FaceScore | None, float]]:
    """Position in time, sample, face and score of everything judged; people seen too seldom are left out, and so are people
    who are not suspicious where others are."""
    steady = result.seen_enough
    suspects = [row for row in steady if row.p_fake >= result.thresholds.fake] or steady
    counted = {row.person for row in suspects}
    timed = sorted(result.scores, key=lambda score: score.time_s or 0.0)
    for position, score in enumerate(timed):
        if score.p_fake is None:
            continue
        faces = [face for face in score.faces if face.person is None or face.person in counted]
        if faces:
            yield from ((position, score, face, face.p_fake) for face in faces)
        elif not score.faces:
            yield position, score, None, score.p_fake


def _stretches(hits: list[tuple[int, SampleScore, FaceScore | None, float]]) -> list[_Stretch]:
    open_of: dict[int | None, _Stretch] = {}
    done: list[_Stretch] = []
    for position, score, face, p_fake in hits:
        person = face.person if face else None
        stretch = open_of.get(person)
        if stretch is None or position != stretch.last + 1 or score.time_s is None:
            stretch = open_of[person] = _Stretch(person, position)
            done.append(stretch)
        stretch.last = position
        stretch.hits.append((score, face, p_fake))
    return done


def _place(texts: Texts, result: AnalysisResult, stretch: _Stretch, several: bool) -> Place | None:
    """None where neither a time nor a region is known."""
    score, face, p_fake = max(stretch.hits, key=lambda hit: hit[2])
    if score.time_s is None and face is None:
        return None
    start, end = _bounds(stretch)
    return Place(
        text=_text(texts, result.media, face, start, end, several),
        time_s=score.time_s,
        start_s=start,
        end_s=end,
        person=stretch.person,
        region=face.face_box if face else None,
        frame_index=score.frame_index,
        model_name=result.model_name,
        p_fake=p_fake,
    )


def _bounds(stretch: _Stretch) -> tuple[float | None, float | None]:
    first, last = stretch.hits[0][0], stretch.hits[-1][0]
    end = last.end_s if last.end_s is not None else last.time_s
    return first.time_s, end


def _text(
    texts: Texts, media: MediaInfo, face: FaceScore | None, start: float | None, end: float | None, several: bool
) -> str:
    if start is None or end is None:
        return texts("place.face_at", where=_where(texts, media, face)) if several and face else texts("place.face")
    time = words.span_words(start, end)
    return time if face is None or face.person is None else texts("place.time_person", time=time, person=face.person)


def _where(texts: Texts, media: MediaInfo, face: FaceScore) -> str:
    """ "upper left": the ninth of the picture that the middle of the face lies in."""
    x1, y1, x2, y2 = face.face_box
    column = min(2, max(0, int(3 * (x1 + x2) / 2 / (media.width or 1))))
    row = min(2, max(0, int(3 * (y1 + y2) / 2 / (media.height or 1))))
    rows, columns = ("upper", "middle", "lower"), ("left", "middle", "right")
    return texts(f"where.{rows[row]}_{columns[column]}")
