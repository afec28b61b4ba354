"""Why a file may have been flagged although it is genuine: what decided, which measured causes of false alarms the file shows,
and whether the answer outlasts small changes of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pydantic import Field

from drishtiksha.analysis.conditions import TELEPHONE_HZ, Conditions, conditions_of
from drishtiksha.answer import reading as told
from drishtiksha.answer.objects import Answer, Line, Place, State
from drishtiksha.answer.texts import Texts
from drishtiksha.casefile import LineKind, StressResult
from drishtiksha.errors import MediaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.results import AnalysisResult, FalseAlarms, Frozen, MediaKind
from drishtiksha.settings import MediaLimits

log = logging.getLogger(__name__)

STRONG_JPEG, USUAL_JPEG = 50, 85
"""Quality up to which a JPEG counts as one of quality 30, and of quality 70."""
FEW_BITS = 0.1
"""Bits a pixel of a video below which it counts as strongly compressed."""
SMALL_FACE_PX = 300
"""The largest of nineteen in twenty faces of the pictures that were halved for the test."""


class Cause(NamedTuple):
    """A treatment of genuine media that a detector's test measured. groups: what the test calls it. shown: whether the file
    shows it."""

    key: str
    groups: tuple[str, ...]
    shown: Callable[[Conditions], bool]


def _compressed(seen: Conditions) -> bool:
    quality, bits = seen.jpeg_quality, seen.bits_per_pixel
    return (quality is not None and quality <= USUAL_JPEG) or (bits is not None and bits < FEW_BITS)


CAUSES = (
    Cause(
        "small",
        ("resized_0.5_jpeg_70",),
        lambda seen: seen.face_px is not None and seen.face_px <= SMALL_FACE_PX and _compressed(seen),
    ),
    Cause(
        "jpeg",
        ("jpeg_70",),
        lambda seen: seen.jpeg_quality is not None and STRONG_JPEG < seen.jpeg_quality <= USUAL_JPEG,
    ),
    Cause("jpeg_strong", ("jpeg_30",), lambda seen: seen.jpeg_quality is not None and seen.jpeg_quality <= STRONG_JPEG),
    Cause(
        "few_bits",
        ("h264_crf28", "crf28", "crf35"),
        lambda seen: seen.bits_per_pixel is not None and seen.bits_per_pixel < FEW_BITS,
    ),
    Cause("shadowed", ("hard_shadow", "brim_shadow"), lambda seen: seen.shadowed),
    Cause("overexposed", ("overexposed",), lambda seen: seen.overexposed),
    Cause("blurred", ("motion_blur",), lambda seen: seen.blurred),
    Cause("tilted", ("tilted",), lambda seen: seen.tilted),
    Cause("mp3", ("mp3_48k",), lambda seen: (seen.sound_codec or "").startswith("mp3")),
    Cause("opus", ("opus_16k",), lambda seen: seen.sound_codec == "opus"),
    Cause(
        "telephone",
        ("telephone",),
        lambda seen: seen.sound_codec is not None and (seen.sample_rate or math.inf) <= TELEPHONE_HZ,
    ),
)
HIDDEN = Cause("hidden", ("denoised", "worn"), lambda seen: seen.face_px is not None)
"""What no measure here tells from the file."""
PLAIN = "clean"
"""The group of media that were left as they are."""


class LikelyCause(Frozen):
    """Something in the file that a detector's test found to mislead it, or looked for and found harmless."""

    key: str
    text: str = Field(description="what the file shows, and how often such genuine media were wrongly suspected")
    share: float = Field(description="of such genuine media that were wrongly suspected")


class Doubt(Frozen):
    """What speaks for a false alarm. All texts are finished."""

    model_name: str
    decided: str = Field(description="which detector decided, at which moment, and on how much")
    place: Place | None = None
    causes: tuple[LikelyCause, ...] = Field(default=(), description="the most misleading first")
    remark: str = Field(description="what the causes are worth, or why there is none")
    hidden: str = Field(default="", description="causes that were measured and cannot be told from the file")
    stress: str
    tested: bool = Field(description="whether a stress test was made")

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of it, in the order in which it is read."""
        told = (self.decided, *(cause.text for cause in self.causes), self.remark, self.hidden, self.stress)
        return tuple(filter(None, told))


def suspected(answer: Answer) -> tuple[Line, str] | None:
    """The line with signs that the answer rests on, and the detector that decides it; None where no detector does."""
    line = answer.strongest
    if answer.state is not State.SIGNS or line is None or line.kind is LineKind.HISTORY:
        return None
    return next(((line, one.model_name) for one in line.detectors if one.decides), None)


def deciding_conditions(answer: Answer, evidence: Evidence, limits: MediaLimits) -> Conditions | None:
    """Measured at the deciding moment; None where no detector found signs, or where it cannot be decoded again."""
    found = suspected(answer)
    if found is None:
        return None
    place = found[0].look[0] if found[0].look else None
    try:
        if place is None:
            return conditions_of(evidence, None, None, limits)
        return conditions_of(evidence, place.region, place.frame_index, limits)
    except MediaError as error:
        log.info("no conditions: %s", error)
        return None


def doubt_of(
    answer: Answer,
    results: Iterable[AnalysisResult],
    conditions: Conditions | None,
    stress: Iterable[StressResult] = (),
) -> Doubt | None:
    """None where no detector found signs. conditions: of the deciding moment; None where they could not be measured.

    Raises: ConfigError for a language without a catalogue.
    """
    found = suspected(answer)
    if found is None:
        return None
    line, name = found
    result = next(one for one in results if one.model_name == name)
    texts = Texts.of(answer.language)
    groups = {one.group: one for one in (result.error_rates.groups if result.error_rates else ())}
    causes = sorted(_causes(texts, groups, conditions), key=lambda cause: cause.share, reverse=True)
    tested = next((one for one in stress if one.model_name == name), None)
    return Doubt(
        model_name=name,
        decided=_decided(texts, line, result),
        place=line.look[0] if line.look else None,
        causes=tuple(causes),
        remark=_remark(texts, groups, causes, conditions, name),
        hidden=_hidden(texts, groups, conditions),
        stress=_stress(texts, tested),
        tested=tested is not None,
    )


def _decided(texts: Texts, line: Line, result: AnalysisResult) -> str:
    subject, fake = told.subject(texts, line.kind), result.thresholds.fake
    scores = [one.p_fake for one in result.scores if one.p_fake is not None]
    facts = {
        "subject": subject,
        "model": result.model_name,
        "score": f"{result.p_fake:.2f}",
        "fake": f"{fake:.2f}",
    }
    if result.media.kind is MediaKind.IMAGE or not line.look:
        return texts("doubt.decided.whole", **facts)
    return texts(
        "doubt.decided.moments",
        **facts,
        hits=sum(score >= fake for score in scores),
        judged=len(scores),
        place=line.look[0].text,
        highest=f"{line.look[0].p_fake:.2f}",
    )


def _causes(texts: Texts, groups: dict[str, FalseAlarms], conditions: Conditions | None) -> Iterator[LikelyCause]:
    if conditions is None:
        return
    facts = conditions.model_dump()
    for cause in CAUSES:
        rate = _worst(groups, cause)
        if rate is not None and cause.shown(conditions):
            shown = texts(f"doubt.cause.{cause.key}.shown", **facts)
            like = texts(f"doubt.cause.{cause.key}.like")
            yield LikelyCause(key=cause.key, text=f"{shown} {_rate(texts, rate, like)}", share=rate.share)


def _worst(groups: dict[str, FalseAlarms], cause: Cause) -> FalseAlarms | None:
    """The group of it that misled most."""
    return max((groups[name] for name in cause.groups if name in groups), key=lambda one: one.share, default=None)


def _rate(texts: Texts, rate: FalseAlarms, like: str) -> str:
    count = round(100 * rate.share)
    about = texts("error.about", count=count) if count else texts("error.under_one")
    most = max(1, math.ceil(100 * (1.0 if rate.share_95 is None else rate.share_95)))
    return texts(f"doubt.rate.{'some' if rate.share else 'none'}", like=like, n=rate.n, about=about, most=most)


def _remark(
    texts: Texts,
    groups: dict[str, FalseAlarms],
    causes: list[LikelyCause],
    conditions: Conditions | None,
    name: str,
) -> str:
    if not groups:
        return texts("doubt.not_measured", model=name)
    if conditions is None:
        return texts("doubt.not_seen", model=name)
    if not causes:
        return texts("doubt.none", model=name)
    plain = groups.get(PLAIN)
    against = _rate(texts, plain, texts("doubt.plain")) if plain else ""
    return " ".join(filter(None, (against, texts("doubt.worth"))))


def _hidden(texts: Texts, groups: dict[str, FalseAlarms], conditions: Conditions | None) -> str:
    rate = _worst(groups, HIDDEN)
    if rate is None or conditions is None or not HIDDEN.shown(conditions):
        return ""
    return f"{texts('doubt.cause.hidden.shown')} {_rate(texts, rate, texts('doubt.cause.hidden.like'))}"


def _stress(texts: Texts, tested: StressResult | None) -> str:
    if tested is None:
        return texts("doubt.stress.untested")
    changes = [one for one in tested.points if one.kind != "excerpt"]
    if tested.low is None or tested.high is None or not changes:
        return texts("doubt.stress.unscored")
    turned = sum(one.flips for one in changes)
    return texts(
        "doubt.stress.band", low=f"{tested.low:.2f}", high=f"{tested.high:.2f}", count=len(changes), turned=turned
    )
