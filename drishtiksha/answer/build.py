"""The whole answer: the strongest line decides, disagreement is told, nothing is averaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from drishtiksha import __version__
from drishtiksha.answer import lines as line
from drishtiksha.answer import reading as told
from drishtiksha.answer.objects import Answer, Glance, LeftOut, Line, Pending, State, rank
from drishtiksha.answer.reading import Reading
from drishtiksha.answer.texts import ENGLISH, Texts
from drishtiksha.casefile import LineKind, Provenance
from drishtiksha.detector_config import DetectorConfig
from drishtiksha.render import words
from drishtiksha.results import AnalysisResult, MediaInfo, MediaKind

FOR_GENERATED = "COMMUNITY-FORENSICS-384"
"""The detector that is advised where none looks for pictures that were generated as a whole."""
MOST_NAMED = 2
"""So many lines are named one by one in the short sentence."""

Failure = tuple[DetectorConfig, str]
"""The configuration of a detector that stopped, and why, in words for people."""

NotRun = tuple[DetectorConfig, tuple[float, float] | None]
"""The configuration of a detector that nobody asked, and between how many seconds it would take."""


def answer_of(
    media: MediaInfo,
    results: Iterable[AnalysisResult],
    provenance: Provenance | None = None,
    *,
    waiting: Iterable[DetectorConfig] = (),
    failed: Iterable[Failure] = (),
    not_run: Iterable[NotRun] = (),
    glance: Glance | None = None,
    language: str = ENGLISH,
) -> Answer:
    """What is told of a file. Nothing is computed anew, and the same input gives the same words.

    results: the newest of each model. waiting: detectors that have not ended. failed: detectors that stopped.
    not_run: detectors that fit the file and that nobody asked.
    glance: what was seen of the file before any detector ran; it speaks only where no detector has answered.

    Raises: ConfigError for a language without a catalogue.
    """
    return _Builder(
        texts=Texts.of(language),
        media=media,
        results=results,
        provenance=provenance,
        waiting=waiting,
        failed=failed,
        not_run=not_run,
        glance=glance,
    ).answer()


class _Builder:
    """The parts of one answer while it is put together."""

    def __init__(
        self,
        texts: Texts,
        media: MediaInfo,
        results: Iterable[AnalysisResult],
        provenance: Provenance | None,
        waiting: Iterable[DetectorConfig],
        failed: Iterable[Failure],
        not_run: Iterable[NotRun],
        glance: Glance | None,
    ) -> None:
        self.texts, self.media, self.provenance, self.glance = texts, media, provenance, glance
        self.readings: dict[LineKind, list[Reading]] = defaultdict(list)
        for result in results:
            reading = told.read(result)
            self.readings[reading.card.line].append(reading)
        self.waiting: dict[LineKind, list[str]] = defaultdict(list)
        for config in waiting:
            self.waiting[config.counts_in].append(config.model_name)
        self.failed: dict[LineKind, list[Failure]] = defaultdict(list)
        for failure in failed:
            self.failed[failure[0].counts_in].append(failure)
        self.left_out = tuple(self._left_out(*one) for one in not_run)
        self.lines = tuple(self._lines())
        self.strongest = max(self._deciding(), key=lambda one: rank(one.state, one.grade), default=None)

    def answer(self) -> Answer:
        state = self._state()
        grade = self.strongest.grade if self.strongest and state is State.SIGNS else None
        headline = self.texts("state.open") if state is None else told.state_in_words(self.texts, state, grade)
        why, disclaimer = self._why(state), self._disclaimer(state)
        return Answer(
            media=self.media,
            state=state,
            grade=grade,
            headline=headline,
            why=why,
            scale=self.texts(f"grade.{grade.name.lower()}.meaning") if grade else "",
            disclaimer=disclaimer,
            lines=self.lines,
            pending=self._pending(),
            left_out=self.left_out,
            disagreements=tuple(self._disagreements()),
            not_judged=tuple(self._not_judged()),
            advised=tuple(self._advised()),
            asides=tuple(self._asides()),
            next=tuple(self._next(state)),
            sentence=self._sentence(state),
            technical=self._technical(headline, why, disclaimer),
            language=self.texts.language,
        )

    def _lines(self) -> Iterator[Line]:
        """In the order of `LineKind`."""
        for kind in LineKind:
            if kind is LineKind.HISTORY:
                if self.provenance is not None:
                    yield line.history_line(self.texts, self.provenance)
            elif self.readings[kind]:
                yield line.line_of(self.texts, kind, self.readings[kind])
            elif self.waiting[kind]:
                known = line.glance_line(self.texts, kind, self.glance, self.media) if self.glance else None
                if known is not None:
                    yield known
            elif self.failed[kind]:
                yield line.failed_line(self.texts, kind, self.failed[kind][0][1])

    def _left_out(self, config: DetectorConfig, seconds: tuple[float, float] | None) -> LeftOut:
        title = told.title(self.texts, config.counts_in)
        values = {"title": title, "model": config.model_name}
        text = (
            self.texts("left_out", **values)
            if seconds is None
            else self.texts("left_out.time", **values, time=words.between(*seconds))
        )
        return LeftOut(model_name=config.model_name, kind=config.counts_in, title=title, text=text, seconds=seconds)

    def _deciding(self) -> list[Line]:
        """The lines that the whole answer may rest on: a file's history never clears it."""
        return [
            one
            for one in self.lines
            if one.state is not State.NOTHING_TO_JUDGE
            and (one.kind is not LineKind.HISTORY or one.state is State.SIGNS)
        ]

    @property
    def _own(self) -> list[Line]:
        """The lines of detectors."""
        return [one for one in self.lines if one.kind is not LineKind.HISTORY]

    @property
    def _not_run(self) -> bool:
        """Whether nothing was judged because nothing was run, though it could be."""
        return not self._own and bool(self.left_out)

    def _state(self) -> State | None:
        if self.strongest is not None:
            return self.strongest.state
        looked = {one.kind for one in self.lines} - {LineKind.HISTORY}
        return (
            None if any(kind not in looked for kind, names in self.waiting.items() if names) else State.NOTHING_TO_JUDGE
        )

    def _why(self, state: State | None) -> str:
        if state is None:
            return self.texts("why.open")
        if state is State.NOTHING_FOUND:
            return self.texts("why.nothing_found.all", subjects=self.texts.listed(self._clean_subjects()))
        if self.strongest is not None:
            return self.strongest.why
        return self._nothing_to_judge()

    def _clean_subjects(self) -> list[str]:
        clean = [one.kind for one in self._deciding() if one.state is State.NOTHING_FOUND]
        return [told.subject(self.texts, kind) for kind in clean]

    def _nothing_to_judge(self) -> str:
        """ "There is no face and no speech in this file.", or why else no detector could look."""
        if not self._own:
            return self.texts("why.nothing_to_judge.left_out" if self.left_out else "why.nothing_to_judge.unfit")
        blank = [
            reading.result
            for readings in self.readings.values()
            for reading in readings
            if reading.card.counted and reading.result.p_fake is None and not told.unscaled(reading.result)
        ]
        reasons = list(dict.fromkeys(told.gap_in_words(self.texts, result) for result in blank))
        if reasons and len(blank) == sum(len(one.detectors) for one in self._own):
            return told.nothing_there(self.texts, self.media, self.texts.listed(reasons))
        if self.glance is not None and not any(self.readings.values()):
            kinds = {one.kind for one in self._own}
            missing = line.missing_in(
                self.texts,
                self.glance,
                face=bool(kinds & line.NEEDS_FACE),
                speech=bool(kinds & line.NEEDS_SPEECH),
            )
            if missing:
                glimpsed = line.glimpsed(self.glance)
                return told.nothing_there(self.texts, self.media, self.texts.listed(missing), glimpsed=glimpsed)
        return " ".join(dict.fromkeys(one.why for one in self._own))

    def _disclaimer(self, state: State | None) -> str:
        """That of the state; the fixed sentence stands under every check that found nothing."""
        if state is None or state is State.NOTHING_TO_JUDGE:
            return ""
        states = [state, *([State.NOTHING_FOUND] if self._clean_subjects() else [])]
        return " ".join(dict.fromkeys(self.texts(f"disclaimer.{one}") for one in states))

    def _pending(self) -> tuple[Pending, ...]:
        return tuple(
            Pending(
                kind=kind,
                title=told.title(self.texts, kind),
                text=self.texts("pending", subject=told.subject(self.texts, kind)),
                models=tuple(self.waiting[kind]),
            )
            for kind in LineKind
            if self.waiting[kind]
        )

    def _disagreements(self) -> Iterator[str]:
        signs = [told.subject(self.texts, one.kind) for one in self.lines if one.state is State.SIGNS]
        clean = self._clean_subjects()
        if signs and clean:
            yield self.texts("disagree.lines", signs=self.texts.listed(signs), clean=self.texts.listed(clean))
        for kind, readings in self.readings.items():
            families = line.strongest_of_families([one for one in readings if one.card.counted])
            for_it = [one.card.model_name for one in families if one.state is State.SIGNS]
            against = [one.card.model_name for one in families if one.state is State.NOTHING_FOUND]
            if for_it and against:
                yield self.texts(
                    "disagree.within",
                    subject=told.subject(self.texts, kind),
                    signs=self.texts.listed(for_it),
                    clean=self.texts.listed(against),
                )

    def _not_judged(self) -> Iterator[str]:
        for one in self.lines:
            if one.state is not State.NOTHING_TO_JUDGE and (rest := self._rest(one.kind)):
                yield rest
        for kind, failures in self.failed.items():
            if self.readings[kind] or self.waiting[kind]:
                for config, why in failures:
                    failed = self.texts("behind.failed", model=config.model_name, why=why)
                    yield self.texts("not_judged.failed", title=told.title(self.texts, kind), why=failed)
        yield from (one.text for one in self.left_out)
        missing = self._missing()
        if LineKind.PICTURE in missing:
            yield self.texts("not_judged.generated", models=self.texts.listed(tuple(self._advised())))
            missing.remove(LineKind.PICTURE)
        if missing:
            titles = self.texts.listed([told.subject(self.texts, kind) for kind in missing])
            yield self.texts("not_judged.missing", titles=titles)

    def _rest(self, kind: LineKind) -> str:
        """What of the file the deciding detector could not judge; "" where it judged all of it."""
        decider = self._decider(kind)
        if decider is None or all(score.gap is None for score in decider.result.scores):
            return ""
        reasons = told.gap_in_words(self.texts, decider.result)
        return self.texts("not_judged.rest", title=told.title(self.texts, kind), reasons=reasons)

    def _decider(self, kind: LineKind) -> Reading | None:
        counted = [one for one in self.readings[kind] if one.card.counted]
        return max(counted, key=lambda one: one.rank, default=None)

    def _missing(self) -> list[LineKind]:
        """The lines that such a file would have, if a detector for them was ready."""
        there = {line.kind for line in self.lines} | {one.kind for one in self.left_out}
        there |= {kind for kind, n in self.waiting.items() if n}
        return [kind for kind in fitting_lines(self.media) if kind not in there]

    def _advised(self) -> Iterator[str]:
        if LineKind.PICTURE in self._missing():
            yield FOR_GENERATED

    def _asides(self) -> Iterator[str]:
        for readings in self.readings.values():
            for one in readings:
                if not one.card.counted:
                    says = told.state_in_words(self.texts, one.state, one.grade)
                    yield told.behind(self.texts, one, says)

    def _next(self, state: State | None) -> Iterator[str]:
        """What to do, the nearest first."""
        if state is None:
            return
        for one in self.lines:
            if one.state in (State.SIGNS, State.UNCLEAR) and one.look:
                key = "next.listen" if one.kind in line.NEEDS_SPEECH else "next.look"
                yield self.texts(key, place=one.look[0].text)
            if one.kind is LineKind.HISTORY and one.state is State.SIGNS:
                yield self.texts("next.ask_program")
        if state is State.NOTHING_TO_JUDGE and self._not_run:
            yield self.texts("next.run")
        yield self.texts("next.original")
        if self.media.has_video:
            yield self.texts("next.earlier")
        if state is State.NOTHING_FOUND:
            yield self.texts("next.origin")
        if state is State.NOTHING_TO_JUDGE and not self._not_run:
            yield self.texts("next.other")

    def _sentence(self, state: State | None) -> str:
        kind = self.texts("kind.first" if self.media.pictures > 1 else f"kind.{self.media.kind.value}")
        if state is None:
            return ""
        if titles := [one.title for one in self._pending()]:
            found = self._grade_short() or self.texts(f"sentence.open.{state.value}")
            return self.texts("sentence.open", found=found, kind=kind, titles=self.texts.listed(titles))
        if state is State.NOTHING_TO_JUDGE or self.strongest is None:
            return self.texts("sentence.not_run" if self._not_run else "sentence.nothing_to_judge", kind=kind)
        if state is State.NOTHING_FOUND:
            clean = self._clean_subjects()
            if len(clean) > (1 if self.media.pictures > 1 else MOST_NAMED):
                return self.texts("sentence.nothing_found_many", count=len(clean), kind=kind)
            return self.texts("sentence.nothing_found", subjects=self.texts.listed(clean), kind=kind)
        subject = told.subject(self.texts, self.strongest.kind)
        if state is State.UNCLEAR or self.strongest.grade is None:
            return self.texts("sentence.unclear", subject=subject, kind=kind)
        grade, look = self._grade_short(), self.strongest.look
        if look and look[0].start_s is not None and look[0].end_s is not None:
            place = words.span_words(look[0].start_s, look[0].end_s)
            return self.texts("sentence.signs_place", subject=subject, grade=grade, kind=kind, place=place)
        return self.texts("sentence.signs", subject=subject, grade=grade, kind=kind)

    def _grade_short(self) -> str:
        """ "moderate signs of manipulation"; "" where there are none."""
        grade = self.strongest.grade if self.strongest else None
        return self.texts(f"grade_short.{grade.name.lower()}") if grade else ""

    def _open(self) -> str:
        """What is still at work; "" where nothing is."""
        subjects = [told.subject(self.texts, one.kind) for one in self._pending()]
        return self.texts("technical.open", subjects=self.texts.listed(subjects)) if subjects else ""

    def _technical(self, headline: str, why: str, disclaimer: str) -> str:
        started = [one.result.provenance.started_utc for readings in self.readings.values() for one in readings]
        values = {
            "version": __version__,
            "name": self.media.name,
            "sha256": self.media.sha256,
            "headline": headline,
            "why": f"{self._open()} {why}",
            "details": " ".join(self._details()),
            "disclaimer": disclaimer,
        }
        if not started:
            return " ".join(self.texts("technical.undated", **values).split())
        return " ".join(self.texts("technical", when=words.moment(min(started)), **values).split())

    def _details(self) -> Iterator[str]:
        for kind in LineKind:
            title = told.title(self.texts, kind)
            own = next((one for one in self.lines if one.kind is kind), None)
            if kind is LineKind.HISTORY and own is not None:
                yield self.texts("technical.history", title=title, says=own.says.lower())
            for one in self.readings[kind]:
                if one.card.counted:
                    yield self._detail(title, one)

    def _detail(self, title: str, one: Reading) -> str:
        result = one.result
        says = told.state_in_words(self.texts, one.state, one.grade).lower()
        if result.p_fake is None:
            return self.texts("technical.no_score", title=title, model=result.model_name, says=says)
        share, spans = words.share(result.coverage), told.spans_in_words(self.texts, result)
        key = "technical.share_spans" if spans else "technical.share"
        return self.texts(
            "technical.detector",
            title=title,
            model=result.model_name,
            says=says,
            score=f"{result.p_fake:.2f}",
            threshold=f"{result.thresholds.fake:.2f}",
            judged=self.texts(key, share=share, spans=spans),
        )


def fitting_lines(media: MediaInfo) -> Sequence[LineKind]:
    """The kinds of evidence that such a file could hold."""
    if media.kind is MediaKind.AUDIO:
        return (LineKind.VOICE,)
    if media.kind is MediaKind.IMAGE:
        return (LineKind.FACES, LineKind.PICTURE, LineKind.EDITS)
    sound = (LineKind.VOICE, LineKind.LIPS) if media.has_audio else ()
    return (LineKind.FACES, *sound, LineKind.PICTURE, LineKind.MOTION)
