"""What a comparison looks like as HTML; no browser, no models."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from sample_results import clean_picture, media, no_face, provenance, recording, result

from drishtiksha.casefile import CaseFile, Confidence, EvidenceKind, HumanVerdict, JobState, JobView, Review
from drishtiksha.comparison import Segment, compare, contrast
from drishtiksha.render.same_moment import Moment
from drishtiksha.results import DISCLAIMER, AnalysisResult, Grade, MediaInfo, Prediction
from drishtiksha.services.plan import ModelPlan, RunPlan
from drishtiksha.ui.compare import pair, sections, setup
from drishtiksha.ui.shared import chart

JOB = "0" * 31 + "1"
FACES, VOICE, BLINKS = "FACE-BLEND-LITE-V1", "VOICE-SPOOF-LITE-V1", "EYEBLINK-CNN-LSTM-V1"


def of_kind(answer: AnalysisResult, kind: EvidenceKind, **changes: Any) -> AnalysisResult:
    run = provenance().model_copy(update={"config": {"evidence": kind.value}})
    return answer.model_copy(update={"provenance": run, **changes})


FACE = of_kind(result(), EvidenceKind.FACE_TEXTURE)
SOUND = of_kind(recording(), EvidenceKind.SPECTRUM, media=media())
UNSEEN = of_kind(no_face(), EvidenceKind.BLINKING, model_name=BLINKS)


def view(**changes: Any) -> JobView:
    fields: dict[str, Any] = {
        "job_id": JOB,
        "case_id": JOB,
        "models": (FACES, VOICE, BLINKS),
        "state": JobState.RUNNING,
        "created_utc": "2026-11-25T10:00:00+00:00",
    }
    return JobView(**(fields | changes))


def case_of(facts: MediaInfo, verdict: HumanVerdict | None = None) -> CaseFile:
    """A case, with the word of one reviewer where a verdict is given."""
    when = "2026-11-25T10:00:00+00:00"
    said = ()
    if verdict is not None:
        said = (
            Review(
                review_id=1,
                case_id=JOB,
                reviewer="<Ana>",
                verdict=verdict,
                confidence=Confidence.HIGH,
                made_utc=when,
            ),
        )
    return CaseFile(case_id=JOB, opened_utc=when, media=facts, reviews=said)


def text_of(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", markup).split())


def test_the_table_has_a_row_for_each_model_asked_answered_or_not() -> None:
    running = view(model_name=VOICE, results=(FACE,), errors={BLINKS: "<b>No face</b> in /srv/secret/cases/a/clip.mp4"})
    markup = sections.table(compare([FACE]), [FACE], running, {FACES: 13_700_000}, "p")
    assert markup.count('role="row"') == 4
    text = text_of(markup)
    assert "A FACE-BLEND-LITE-V1 face texture" in text
    assert "Moderate evidence of manipulation 0.78 78 % 4.2 s 13.7 MB –" in text
    assert "VOICE-SPOOF-LITE-V1 At work" in text
    assert "<b>No face</b>" not in markup, "a message is text"
    assert "/srv/secret" not in markup
    assert 'data-label="Score"' in markup, "what a phone shows beside each value"
    early = running.model_copy(update={"preview": SOUND})
    told = text_of(sections.table(compare([FACE]), [FACE], early, {}, "p"))
    assert "At work Preliminary, of a first look: moderate evidence of manipulation, score 0.78." in told
    ended = sections.table(compare([FACE]), [FACE], view(state=JobState.CANCELLED, results=(FACE,)), {}, "p")
    assert "EYEBLINK-CNN-LSTM-V1 Not run" in text_of(ended)
    assert "not known" in ended, "memory"


def test_the_button_of_a_row_leads_to_its_highest_score_and_a_picture_has_none() -> None:
    asked = view(models=(FACES,), results=(FACE,))
    markup = sections.table(compare([FACE]), [FACE], asked, {}, "dk-player-a")
    assert 'data-player="dk-player-a" data-start="7.000"' in markup
    picture = clean_picture()
    assert "<button" not in sections.table(compare([picture]), [picture], asked, {}, "p")


def test_agreement_is_told_without_a_number_that_nobody_can_read() -> None:
    assert sections.agreement(0) == "none of the others"
    assert sections.agreement(1) == "all others"
    assert sections.agreement(0.5) == "50 % of the others"


def test_disagreement_is_said_and_the_disclaimer_stands_once() -> None:
    clear = SOUND.model_copy(
        update={"prediction": Prediction.REAL, "grade": Grade.NONE_FOUND, "p_fake": 0.1, "confidence": 0.9}
    )
    markup = sections.consensus(compare([FACE, clear]), [FACE, clear])
    assert "The detectors disagree" in markup
    assert "not proof of manipulation" in markup
    alone = sections.consensus(compare([clear]), [clear], running=True)
    assert alone.count(DISCLAIMER) == 1
    assert "Preliminary" in alone


def test_a_persons_verdict_stands_above_the_detectors() -> None:
    case = case_of(media(), HumanVerdict.GENUINE)
    markup = sections.consensus(compare([FACE]), [FACE], case=case)
    assert markup.index("Genuine") < markup.index("The detectors say")
    assert "overrides" in markup
    assert "<Ana>" not in markup


def test_segments_are_numbered_buttons_that_loop() -> None:
    found = Segment(
        start_s=1.25, end_s=3.5, kinds=(EvidenceKind.FACE_TEXTURE, EvidenceKind.SPECTRUM), models=(FACES, VOICE)
    )
    markup = sections.segments([found], "dk-player-a")
    assert 'aria-pressed="false" data-loop data-player="dk-player-a" data-start="1.250" data-end="3.500"' in markup
    assert "1 00:01.2–00:03.5 face texture, sound spectrum" in text_of(markup)
    assert "no stretch" in sections.segments([], "p")


def test_the_chart_is_one_drawing_and_a_slider_from_its_first_moment_to_its_last() -> None:
    found = compare([FACE, SOUND, UNSEEN])
    markup = chart.chart([FACE, SOUND, UNSEEN], "dk-player-a", found.strip, found.segments)
    assert (markup.count('role="img"'), markup.count("<img")) == (1, 0)
    assert len(markup.encode()) < 40_000
    assert 'role="slider" tabindex="0"' in markup
    assert 'data-start="0.000" data-end="14.000"' in markup, "the longest of them"
    assert "B, VOICE-SPOOF-LITE-V1, suspicious from 0.65" in markup, "in words"
    assert chart.chart([clean_picture()], "p") == ""


def test_the_charts_of_two_tabs_share_no_id() -> None:
    ids = [set(re.findall(r' id="([^"]+)"', chart.chart([FACE, SOUND], f"player-{tab}"))) for tab in "ab"]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_names_in_the_chart_are_escaped() -> None:
    markup = chart.chart([FACE, SOUND], "p", names=["<img src=x>.mp4", "b.mp4"])
    assert "<img" not in markup
    assert "&lt;img src=x&gt;.mp4" in markup


def test_moments_are_buttons_and_one_of_them_asks_the_player() -> None:
    markup = chart.moments([Moment(1.0, (FACES, VOICE), 0.9), Moment(7.0, (FACES,), 0.8)], "dk-player-a", 7.0)
    assert 'data-moment="7.000" aria-pressed="true"' in markup
    assert "2 heatmaps" in markup
    assert 'data-moment="now" data-player="dk-player-a"' in markup


def test_a_detector_that_judged_nothing_near_the_moment_says_so() -> None:
    markup = chart.side_by_side([chart.Seen("<A>", None, "")], "What each detector saw")
    assert "Nothing near this moment could be judged" in markup
    assert "<A>" not in markup


def test_two_files_are_told_apart_even_under_one_name() -> None:
    other = media(sha256="cd" * 32)
    assert pair.file_names([media(), other]) == ["clip.mp4 (abababab)", "clip.mp4 (cdcdcdcd)"]
    assert pair.file_names([media(), media(name="b.mp4")]) == ["clip.mp4", "b.mp4"]


def test_the_difference_of_two_files_is_told_in_words() -> None:
    lower = FACE.model_copy(update={"media": media(name="b.mp4", sha256="cd" * 32), "p_fake": 0.7})
    markup = pair.difference([FACE, lower])
    assert escape(contrast(FACE, lower)) in markup
    assert "b.mp4" in markup
    assert "still to come" in pair.difference([FACE, None])
    assert "Both are the same file" in pair.difference([FACE, FACE])
    cards = pair.cards(
        [
            view(models=(FACES,), results=(FACE,)),
            view(models=(FACES,), state=JobState.FAILED, errors={FACES: "No <face>."}),
        ],
        [case_of(media(), HumanVerdict.GENUINE), case_of(lower.media)],
        ("dk-player-a", "dk-player-b"),
    )
    assert "No &lt;face&gt;." in cards
    assert cards.count("Human verdict: Genuine. It overrides the detector.") == 1
    assert 'data-player="dk-player-a" data-start="7.000"' in cards


def model_plan(name: str, **changes: Any) -> ModelPlan:
    fields: dict[str, Any] = {
        "model_name": name,
        "evidence": EvidenceKind.FACE_TEXTURE,
        "state": "ready",
        "obstacle": None,
        "memory_bytes": 10_000_000,
        "seconds": (20.0, 40.0),
    }
    return ModelPlan(**(fields | changes))


def test_the_plan_says_time_memory_and_what_must_be_loaded() -> None:
    run = RunPlan(
        models=(
            model_plan(FACES, state="loaded"),
            model_plan(VOICE, evidence=EvidenceKind.SPECTRUM, seconds=None),
            model_plan(BLINKS, obstacle="Its weights are missing."),
        )
    )
    text = setup.summary([run])
    assert "2 detectors, 2 kinds of trace, on this file, which is decoded once for all of them." in text
    assert "20 to 40 s and what VOICE-SPOOF-LITE-V1 will take" in text
    assert "20.0 MB of memory" in text
    assert "To be loaded first: VOICE-SPOOF-LITE-V1." in text
    assert "Left out, because they cannot examine it: EYEBLINK-CNN-LSTM-V1." in text
    assert "left out: Its weights are missing." in text_of(setup.plan([run]))


def test_a_plan_of_two_files_takes_both_times_and_nothing_chosen_is_said() -> None:
    one = RunPlan(models=(model_plan(FACES),))
    assert "on two files, one after the other. 40 s to 1 min, as such files took" in setup.summary([one, one])
    guessed = RunPlan(models=(model_plan(FACES, guessed=True),))
    assert f"20 to 40 s, which is a guess: {FACES} has not run" in setup.summary([guessed])
    unfit = RunPlan(models=(model_plan(FACES, obstacle="It has no picture."),))
    assert setup.summary([one, unfit]) == "None of the chosen detectors can examine both files."
    assert "appears here" in setup.plan([])


def test_a_link_names_one_job_or_two_and_nothing_else_is_followed() -> None:
    assert setup.jobs_of(setup.code_of((JOB, JOB))) == (JOB, JOB)
    assert setup.jobs_of(JOB) == (JOB,)
    for wrong in (None, "", "../etc/passwd", JOB[:-1], f"{JOB}-{JOB}-{JOB}"):
        assert setup.jobs_of(wrong) == ()
