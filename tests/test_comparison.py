"""Answers of several detectors about one file, held against each other."""

from __future__ import annotations

import pytest
from sample_results import clean_picture, media, provenance, result, sample

from drishtiksha.casefile import EvidenceKind
from drishtiksha.comparison import compare, contrast
from drishtiksha.results import AnalysisResult, GapReason, Grade, Prediction, SampleScore

FACE, BLINK, SOUND = EvidenceKind.FACE_TEXTURE, EvidenceKind.BLINKING, EvidenceKind.SPECTRUM


def answer(
    name: str, kind: EvidenceKind, p: float | None, scores: tuple[SampleScore, ...] = (), **more
) -> AnalysisResult:
    """A result whose verdict follows from `p`."""
    grade, prediction = Grade.INCONCLUSIVE, Prediction.INCONCLUSIVE
    if p is not None and p >= 0.65:
        grade, prediction = Grade.MODERATE, Prediction.FAKE
    elif p is not None:
        grade, prediction = Grade.NONE_FOUND, Prediction.REAL
    about = provenance()
    config = about.config | {"evidence": kind.value, "retired": more.pop("retired", False)}
    fields = {
        "model_name": name,
        "p_fake": p,
        "prediction": prediction,
        "grade": grade,
        "confidence": None if prediction is Prediction.INCONCLUSIVE else max(p or 0, 1 - (p or 0)),
        "gap": GapReason.NO_FACE if p is None else None,
        "scores": scores,
        "people": (),
        "heatmaps": (),
        "provenance": about.model_copy(update={"config": config}),
    }
    return result(**(fields | more))


def frames(*p_fakes: float | None) -> tuple[SampleScore, ...]:
    """One a second from 0; None is a gap."""
    return tuple(
        sample(i, p, None if p is not None else GapReason.NO_FACE, time_s=float(i)) for i, p in enumerate(p_fakes)
    )


def window(start: float, end: float, p: float) -> SampleScore:
    return sample(0, p, time_s=start, end_s=end, frame_index=None)


def test_two_independent_kinds_make_a_segment_and_one_kind_does_not():
    clip = media(duration_s=5.0)
    face = answer("F", FACE, 0.9, frames(0.1, 0.9, 0.9, 0.1, 0.1), media=clip)
    again = answer("F2", FACE, 0.9, frames(0.9, 0.9, 0.9, 0.1, 0.9), media=clip)
    voice = answer("V", SOUND, 0.9, (window(1.0, 4.0, 0.8),), media=clip)
    assert compare([face, again]).segments == ()
    (segment,) = compare([face, again, voice]).segments
    assert (segment.start_s, segment.end_s) == (1.0, 2.5)  # the voice's window begins at 1 s; frame 2 reaches to 2.5 s
    assert segment.kinds == (FACE, SOUND)
    assert segment.models == ("F", "F2", "V")


def test_a_kind_suspects_only_with_more_than_half_of_its_detectors():
    clip = media(duration_s=2.0)
    yes, no = frames(0.9, 0.9), frames(0.1, 0.1)
    voice = answer("V", SOUND, 0.9, (window(0.0, 2.0, 0.8),), media=clip)
    one_of_two = [answer("F", FACE, 0.9, yes, media=clip), answer("F2", FACE, 0.1, no, media=clip), voice]
    assert compare(one_of_two).segments == ()
    assert [(c.agree, c.judged, c.level) for c in compare(one_of_two).strip] == [(1, 2, 0.5)]
    two_of_three = [*one_of_two, answer("F3", FACE, 0.9, yes, media=clip)]
    (segment,) = compare(two_of_three).segments
    assert segment.models == ("F", "F3", "V")


def test_gaps_are_judged_by_nobody_and_the_strip_has_no_holes():
    face = answer("F", FACE, 0.9, frames(0.9, 0.9, None, 0.9), media=media(duration_s=4.0))
    cells = compare([face]).strip
    assert [(c.start_s, c.end_s, c.agree, c.judged, c.level) for c in cells] == [
        (0.0, 1.5, 1, 1, 1.0),
        (1.5, 2.5, 0, 0, None),
        (2.5, 4.0, 1, 1, 1.0),
    ]


def test_a_frame_does_not_speak_for_what_lies_far_from_it():
    scores = (sample(0, 0.9, time_s=0.0), sample(1, 0.9, time_s=60.0))
    cells = compare([answer("F", FACE, 0.9, scores, media=media(duration_s=120.0))]).strip
    assert [(c.start_s, c.end_s, c.judged) for c in cells] == [(0.0, 2.0, 1), (2.0, 58.0, 0), (58.0, 62.0, 1)]


def test_of_overlapping_windows_the_highest_counts_and_near_stretches_are_one():
    clip = media(duration_s=6.0)
    voice = answer("V", SOUND, 0.9, (window(0.0, 4.0, 0.9), window(2.0, 6.0, 0.1)), media=clip)
    lips = answer("B", BLINK, 0.9, (window(0.0, 1.0, 0.9), window(1.25, 2.0, 0.9), window(3.0, 6.0, 0.9)), media=clip)
    spans = [(s.start_s, s.end_s) for s in compare([voice, lips]).segments]
    assert spans == [(0.0, 2.0), (3.0, 4.0)]


def test_each_model_is_held_against_its_own_threshold():
    clip = media(duration_s=2.0)
    strict = result().thresholds.model_copy(update={"fake": 0.95})
    face = answer("F", FACE, 0.1, frames(0.9, 0.9), media=clip, thresholds=strict)
    voice = answer("V", SOUND, 0.9, (window(0.0, 2.0, 0.9),), media=clip)
    assert compare([face, voice]).segments == ()


@pytest.mark.parametrize("more", [{"experimental": True}, {"retired": True}])
def test_what_did_not_prove_itself_has_a_row_and_is_no_evidence(more):
    clip = media(duration_s=2.0)
    face = answer("F", FACE, 0.9, frames(0.9, 0.9), media=clip)
    weak = answer("W", SOUND, 0.9, (window(0.0, 2.0, 0.9),), media=clip, **more)
    found = compare([face, weak])
    assert found.segments == ()
    assert [row.counted for row in found.rows] == [True, False]
    assert found.sentence == (
        "F found moderate evidence of manipulation, in one kind of trace: face texture. "
        f"W is {next(iter(more))} and not counted (it says: moderate evidence of manipulation)."
    )


def test_rows_tell_how_many_of_the_others_agree():
    answers = [
        answer("A", FACE, 0.9),
        answer("B", SOUND, 0.9),
        answer("C", BLINK, 0.1),
        answer("D", BLINK, None),
    ]
    assert [row.agreement for row in compare(answers).rows] == [0.5, 0.5, 0.0, None]
    assert compare(answers[:1]).rows[0].agreement is None


def test_disagreement_is_said_and_not_averaged_away():
    said = compare([answer("A", FACE, 0.99), answer("B", SOUND, 0.01), answer("C", BLINK, None)]).sentence
    assert said.startswith(
        "The detectors disagree: A found evidence of manipulation (face texture); B found none (sound"
    )
    assert "both can be right" in said
    assert said.endswith("C reached no conclusion.")
    torn = compare([answer("A", FACE, 0.9), answer("B", FACE, 0.1), answer("C", FACE, 0.1)]).sentence
    assert "About face texture they contradict each other" in torn


def test_one_kind_is_one_piece_of_evidence():
    assert "one piece of evidence and not several" in compare([answer("A", FACE, 0.9), answer("B", FACE, 0.9)]).sentence
    two = compare([answer("A", FACE, 0.9), answer("B", SOUND, 0.9)]).sentence
    assert (
        two == "A and B found evidence of manipulation, in 2 independent kinds of trace: face texture, sound spectrum."
    )


def test_nothing_found_is_no_proof_and_nothing_judged_is_inconclusive():
    assert compare([answer("A", FACE, 0.1), answer("B", SOUND, 0.1)]).sentence == (
        "A and B found no evidence of manipulation. No evidence found is not proof that the media is authentic."
    )
    assert compare([answer("A", FACE, None)]).sentence.startswith("Inconclusive: ")
    assert compare([]).sentence == "No detector has answered."


def test_a_picture_has_no_time():
    found = compare([clean_picture()])
    assert (found.strip, found.segments) == ((), ())


def test_several_files_are_not_compared_as_one():
    with pytest.raises(ValueError, match="one file"):
        compare([answer("A", FACE, 0.9), answer("B", SOUND, 0.9, media=media(sha256="cd" * 32))])


def test_it_is_kept_as_json():
    found = compare([answer("A", FACE, 0.9, frames(0.9)), answer("B", SOUND, 0.9, (window(0.0, 2.0, 0.9),))])
    assert found.segments
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_two_files_under_one_model():
    first, second = answer("A", FACE, 0.2), answer("A", FACE, 0.9, media=media(name="other.mp4", sha256="cd" * 32))
    assert contrast(first, second) == (
        "A on clip.mp4: no evidence found; on other.mp4: moderate evidence of manipulation. "
        "The score of other.mp4 is 0.90, 0.70 above that of clip.mp4 (0.20)."
    )
    near = contrast(answer("A", FACE, 0.1249), answer("A", FACE, 0.9551, media=media(name="o.mp4", sha256="cd" * 32)))
    assert near.endswith("The score of o.mp4 is 0.96, 0.84 above that of clip.mp4 (0.12).")
    assert "no score to compare" in contrast(first, answer("A", FACE, None))
    assert "Both score 0.20." in contrast(first, first)
    with pytest.raises(ValueError, match="one model"):
        contrast(first, answer("B", FACE, 0.2))
