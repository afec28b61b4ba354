"""The parts of a file that are judged by themselves: several tracks, and channels that carry different sounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np

from drishtiksha.analysis.shared import Check, SharedMedia
from drishtiksha.contract import AudioPlan, ClipPlan, SamplingPlan
from drishtiksha.errors import MediaError, WrongMediaKindError
from drishtiksha.media.channels import MIXTURE, Sound, SoundPart
from drishtiksha.media.evidence import Evidence
from drishtiksha.results import AnalysisResult, GapReason, MediaKind, Prediction, TrackInfo, TrackKind, TrackScore

SILENT = 1e-3
"""A sound track that never reaches this share of full scale (-60 dB) is called silent."""

NOTHING_THERE = (GapReason.NO_SPEECH, GapReason.SILENT, GapReason.NO_FACE, GapReason.TOO_SHORT)
"""Gaps of a part that holds nothing to judge, as against one that holds something unclear."""

RANK = {Prediction.FAKE: 3, Prediction.INCONCLUSIVE: 2, Prediction.REAL: 1}


@dataclass(frozen=True)
class MediaPart:
    """label: in words; empty for the whole of an ordinary file. track: its number; None: the main one."""

    shared: SharedMedia
    label: str = ""
    track: int | None = None
    sound: SoundPart = MIXTURE

    @property
    def key(self) -> str:
        """Tells what was finished of one part from that of another; empty for the whole of an ordinary file."""
        return "" if self.track is None and self.sound.weights is None else f"{self.track} {self.sound.weights}"


@contextmanager
def parts_of(shared: SharedMedia, plan: SamplingPlan, check: Check) -> Iterator[tuple[list[MediaPart], list[str]]]:
    """What to judge, the main part first, and sentences on what is not judged.

    Raises: WrongMediaKindError when a track was chosen that the plan does not look at; MediaError and its kinds of the main
    or chosen picture, and of the first sound track where none can be judged.
    """
    evidence = shared.evidence
    _refuse_other_kind(evidence, plan)
    if isinstance(plan, AudioPlan):
        yield _sounds(shared, plan, check)
    elif evidence.media.kind is MediaKind.VIDEO and not isinstance(plan, ClipPlan) and evidence.track is None:
        with ExitStack() as opened:
            yield _pictures(shared, opened), []
    else:
        others = (
            [track for kind in TrackKind for track in _others(evidence, kind)] if isinstance(plan, ClipPlan) else []
        )
        part = MediaPart(shared, _label(evidence, evidence.track), evidence.track)
        told = [f"{_name(track).capitalize()} was not judged by this model." for track in others]
        yield [part], [*_chosen(evidence), *told]


def _refuse_other_kind(evidence: Evidence, plan: SamplingPlan) -> None:
    if evidence.track is None or isinstance(plan, ClipPlan):
        return
    sound = evidence.is_sound(evidence.track)
    if sound != isinstance(plan, AudioPlan):
        wanted = "looks at the picture" if sound else "listens"
        kind = "sound" if sound else "a picture"
        raise WrongMediaKindError(
            f"Track {evidence.track} of {evidence.media.name} is {kind}, and this model {wanted}."
        )


def _pictures(shared: SharedMedia, opened: ExitStack) -> list[MediaPart]:
    several = _main_first(shared.evidence.media.several(TrackKind.PICTURE))
    if not several:
        return [MediaPart(shared)]
    parts = [MediaPart(shared, _name(several[0]), several[0].number)]
    for track in several[1:]:
        own = SharedMedia.alone(replace(shared.evidence, track=track.number), shared.limits, shared.check)
        parts.append(MediaPart(opened.enter_context(own), _name(track), track.number))
    return parts


def _sounds(shared: SharedMedia, plan: AudioPlan, check: Check) -> tuple[list[MediaPart], list[str]]:
    evidence = shared.evidence
    tracks = _main_first(evidence.media.several(TrackKind.SOUND))
    if evidence.track is not None:
        tracks = [track for track in tracks if track.number == evidence.track]
    parts: list[MediaPart] = []
    notes, broken = _chosen(evidence), None
    for place, track in enumerate(tracks or [None]):
        whole = MIXTURE if track is None else SoundPart(track.number - 1)
        name, number = (_name(track), track.number) if track is not None else ("", None)
        try:
            sound = shared.heard(plan.sample_rate, whole, check, plan.resampling)
        except MediaError as error:
            broken = broken or error
            notes.append(f"{name.capitalize()} was not judged: it cannot be decoded.")
            continue
        if place and np.abs(sound.waveform).max(initial=0.0) < SILENT:
            notes.append(f"{name.capitalize()} is silent.")
            continue
        found = _spoken(shared, plan, sound, check)
        if len(sound.parts) == 1 and min(sound.parts[0].weights or (0,)) < 0:
            notes.append("Its channels are in opposite phase and cancel out when added: one of them was turned round.")
        parts += [
            MediaPart(shared, ", ".join(filter(None, (name, one.label))), number, one) for one in found or [whole]
        ]
    if broken is not None and not parts:
        raise broken
    return parts, notes


def _spoken(shared: SharedMedia, plan: AudioPlan, sound: Sound, check: Check) -> list[SoundPart]:
    """The parts of a sound track in which somebody speaks; none where the mixture speaks for all."""
    if len(sound.parts) < 2:
        return list(sound.parts)
    from drishtiksha.features.speech import speech_spans

    rate = plan.sample_rate
    heard = [shared.heard(rate, part, check, plan.resampling).waveform for part in sound.parts]
    return [part for part, own in zip(sound.parts, heard, strict=True) if speech_spans(own.copy(), rate)]


def _chosen(evidence: Evidence) -> list[str]:
    """A sentence on the track that alone is judged; none where nobody chose."""
    if evidence.track is None:
        return []
    return [f"Of its tracks this one was chosen, and no other was judged: {_label(evidence, evidence.track)}."]


def _main_first(tracks: Sequence[TrackInfo]) -> list[TrackInfo]:
    return sorted(tracks, key=lambda track: not track.main)


def _others(evidence: Evidence, kind: TrackKind) -> list[TrackInfo]:
    if kind not in (TrackKind.SOUND, TrackKind.PICTURE):
        return []
    return [one for one in evidence.media.several(kind) if not one.main and one.number != evidence.track]


def _name(track: TrackInfo) -> str:
    kind = "sound" if track.kind is TrackKind.SOUND else "picture"
    return f"{kind} track {track.number}" + (f" ({track.language})" if track.language else "")


def _label(evidence: Evidence, number: int | None) -> str:
    return next((_name(track) for track in evidence.media.tracks if track.number == number), "")


def strongest(parts: Sequence[MediaPart], results: Sequence[AnalysisResult], notes: Sequence[str]) -> AnalysisResult:
    """The result of the part that shows most, with what was found in the others."""
    best = max(range(len(results)), key=lambda i: _strength(results[i]))
    tracks = tuple(
        TrackScore(
            label=part.label,
            track=part.track,
            weights=part.sound.weights,
            p_fake=one.p_fake,
            prediction=one.prediction,
            grade=one.grade,
            gap=one.gap,
            coverage=one.coverage,
            decides=i == best,
        )
        for i, (part, one) in enumerate(zip(parts, results, strict=True))
        if part.label
    )
    told = list(notes)
    if len(tracks) > 1:
        found = ", ".join(
            f"{one.label} {'not scored' if one.p_fake is None else f'{one.p_fake:.2f}'}" for one in tracks
        )
        told.insert(
            0, f"Judged by themselves, since they differ: {found}. The verdict is that of: {tracks[best].label}."
        )
    elif tracks and tracks[0].weights is not None and min(tracks[0].weights) >= 0:
        told.insert(0, f"Of its channels, only this was judged, since the others carry no voice: {tracks[0].label}.")
    planned = sum(len(one.scores) for one in results)
    coverage = sum(one.coverage * len(one.scores) for one in results) / planned if planned else results[best].coverage
    return results[best].model_copy(
        update={
            "tracks": tracks,
            "coverage": results[best].coverage if len(results) == 1 else min(coverage, 1.0),
            "notes": (*told, *results[best].notes),
            "processing_time": sum(one.processing_time for one in results),
            "stage_seconds": results[-1].stage_seconds,
        }
    )


def _strength(result: AnalysisResult) -> tuple[int, float]:
    empty = result.gap in NOTHING_THERE
    return 0 if empty else RANK[result.prediction], result.p_fake or 0.0
