"""One model's part of a report: its answer, its pictures, what is known of it, and how to repeat the run."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

from PIL import Image

from drishtiksha.media.evidence import Evidence
from drishtiksha.render import facts, timeline, words
from drishtiksha.render.moments import moment_pictures
from drishtiksha.report.pieces import Facts, Headline, ModelSection, Picture, Table
from drishtiksha.results import AnalysisResult, MediaKind
from drishtiksha.settings import MediaLimits

QUALITY = 86
"""Of the JPEG files."""
MAX_WIDTH = 1280
"""px of a picture in a report: sharp in print over the whole width of a page."""
CARD = {
    "description": "In short",
    "looks_at": "Looks at",
    "limits": "Does not see",
    "trained_on": "Learned from",
    "measured": "Measured by others",
    "paper": "Method",
}


def verdict_of(result: AnalysisResult) -> Headline:
    look = words.GRADE_LOOKS[result.grade]
    return Headline(look.title, look.glyph, look.tone, look.meaning)


def model_section(result: AnalysisResult, number: int, evidence: Evidence | None, limits: MediaLimits) -> ModelSection:
    """`number` (from 1) names the pictures. Raises: MediaError when the evidence can no longer be decoded."""
    config = result.provenance.config
    return ModelSection(
        name=result.model_name,
        evidence=str(config.get("evidence") or "not stated"),
        verdict=verdict_of(result),
        experimental=result.experimental,
        score="not scored" if result.p_fake is None else f"{result.p_fake:.2f}",
        judged=f"{words.share(result.coverage)}: {words.judged(result)}",
        sentence=words.sentence(result),
        reasons=(*result.grounds, *result.notes),
        odds=result.odds,
        card=tuple((what, text) for field, what in CARD.items() if (text := str(config.get(field) or "").strip())),
        people=_people(result),
        timeline=_timeline(result, number),
        moments=tuple(_moments(result, number, evidence, limits)) if evidence is not None else (),
        custody=tuple(row for row in facts.custody_facts(result) if row[0] not in ("Error rates",)),
        config=_config(config),
    )


def _config(config: dict[str, object]) -> Facts:
    """The fields of the run that the card does not show already."""
    hidden = {*CARD, "evidence"}
    return tuple(
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in sorted(config.items())
        if name not in hidden and value not in (None, "", {}, [])
    )


def _people(result: AnalysisResult) -> Table | None:
    if not result.seen_enough:
        return None
    return Table(
        "People followed through the video, each judged separately",
        ("Person", "Seen", "Samples", "Score", "Highest", "Finding"),
        tuple(
            (
                f"Person {row.person}",
                words.span_words(row.first_s, row.last_s) + words.found_again(row.cuts),
                str(row.samples),
                f"{row.p_fake:.2f}",
                f"{row.highest_p_fake:.2f}",
                words.GRADE_LOOKS[row.grade].title,
            )
            for row in result.seen_enough
        ),
    )


def _timeline(result: AnalysisResult, number: int) -> Picture | None:
    if not timeline.has_timeline(result):
        return None
    data = timeline.timeline_png(result)
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    return Picture(
        name=f"timeline-{number}.png",
        data=data,
        media_type="image/png",
        width=width,
        height=height,
        alt=f"Chart of the score of {result.model_name} over time. {timeline.describe(result)}",
        caption=f"Score of {result.model_name} over time. Hatched: not judged.",
    )


def _moments(result: AnalysisResult, number: int, evidence: Evidence, limits: MediaLimits) -> Iterator[Picture]:
    for place, (finding, pixels) in enumerate(moment_pictures(evidence, result, limits), start=1):
        image = Image.fromarray(pixels)
        if image.width > MAX_WIDTH:
            image = image.resize((MAX_WIDTH, round(image.height * MAX_WIDTH / image.width)), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
        explained = finding.heatmap is not None
        if finding.is_sound:
            shown = "Spectrogram of the sound" + (", below it the same under its heatmap" if explained else "")
        else:
            what = "The picture" if result.media.kind is MediaKind.IMAGE else "A frame of the video"
            faces = " with a box round each face that was judged" if finding.score.faces else ""
            shown = what + faces + (", beside it the part that was judged and its heatmap" if explained else "")
        title = finding.title()
        caption = f"{title[:1].upper()}{title[1:]} ({result.model_name})."
        if finding.heatmap is not None:
            caption += f" {finding.heatmap.caption}"
        yield Picture(
            name=f"moment-{number}-{place}.jpg",
            data=buffer.getvalue(),
            media_type="image/jpeg",
            width=image.width,
            height=image.height,
            alt=f"{shown}: {title}.",
            caption=caption,
        )
