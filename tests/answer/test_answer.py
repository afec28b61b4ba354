"""The rules of an answer, each on planted results."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sample_results as planted
import yaml
from pydantic import ValidationError

from drishtiksha.answer import Answer, Glance, Line, State, Texts, answer_of, grade_scale, texts
from drishtiksha.casefile import CredentialState, LineKind, Provenance, ProvenanceFinding
from drishtiksha.detector_config import DetectorConfig
from drishtiksha.errors import ConfigError
from drishtiksha.registry import ModelManager
from drishtiksha.results import (
    AnalysisResult,
    ErrorRates,
    FaceScore,
    GapReason,
    Grade,
    MediaInfo,
    MediaKind,
    PersonScore,
    Prediction,
    RunProvenance,
    Thresholds,
)
from drishtiksha.settings import load_settings

CLIP = planted.media()
PICTURE = planted.clean_picture().media
LANDSCAPE = PICTURE.model_copy(update={"name": "coast.jpg"})

FACES = {"evidence": "face texture", "misses": "It misses faces that were generated whole."}
VOICE = {"evidence": "sound spectrum", "misses": "It misses newer voices."}


def rates(**changes: Any) -> ErrorRates:
    fields: dict[str, Any] = {
        "data": "clips of 100 people",
        "fake_data": "swaps into clips of 90 people",
        "n_genuine": 100,
        "genuine_as_high": 0.02,
        "genuine_as_high_95": 0.061,
        "n_fake": 90,
        "fake_as_low": 0.011,
        "fake_as_low_95": 0.05,
        "missed": 0.34,
        "missed_95": 0.43,
    }
    return ErrorRates(**(fields | changes))


def of(config: dict[str, Any], name: str = "FACE-A", **changes: Any) -> AnalysisResult:
    """Signs in six frames of a clip, made with this configuration."""
    scores = tuple(planted.sample(index, p=0.9) for index in range(6))
    run = RunProvenance(**(planted.provenance().model_dump() | {"config": config}))
    fields = {"model_name": name, "scores": scores, "people": (), "heatmaps": (), "coverage": 1.0, "provenance": run}
    return planted.result(**(fields | {"experimental": config.get("experimental", False)} | changes))


def clean(config: dict[str, Any], name: str = "FACE-B", **changes: Any) -> AnalysisResult:
    nothing = {"prediction": Prediction.REAL, "grade": Grade.NONE_FOUND, "p_fake": 0.1, "confidence": 0.9}
    scores = tuple(planted.sample(index, p=0.1) for index in range(6))
    return of(config, name, **(nothing | {"scores": scores} | changes))


def blank(config: dict[str, Any], gap: GapReason, name: str = "FACE-A", media: MediaInfo = CLIP) -> AnalysisResult:
    scores = tuple(planted.sample(index, gap=gap) for index in range(6))
    inconclusive = {"prediction": Prediction.INCONCLUSIVE, "grade": Grade.INCONCLUSIVE, "confidence": None}
    return of(config, name, **inconclusive, p_fake=None, gap=gap, coverage=0.0, scores=scores, media=media)


def line(answer: Answer, kind: LineKind) -> Line:
    found = answer.line(kind)
    assert found is not None
    return found


def test_a_line_takes_its_strongest_proven_detector() -> None:
    weak = of(FACES, "FACE-A", grade=Grade.WEAK, p_fake=0.7)
    strong = of(FACES, "FACE-B", grade=Grade.STRONG, p_fake=0.97)
    answer = answer_of(CLIP, [weak, strong])
    faces = line(answer, LineKind.FACES)
    assert (faces.state, faces.grade) == (State.SIGNS, Grade.STRONG) == (answer.state, answer.grade)
    assert [one.model_name for one in faces.detectors if one.decides] == ["FACE-B"]
    assert answer.strongest == faces


@pytest.mark.parametrize("mark", ["experimental", "retired"])
def test_a_detector_that_does_not_count_is_told_and_never_decides(mark: str) -> None:
    loud = of(FACES | {mark: True}, "LOUD", grade=Grade.MODERATE, p_fake=0.95)
    answer = answer_of(CLIP, [clean(FACES, "QUIET"), loud])
    assert answer.state is State.NOTHING_FOUND
    assert [one for one in answer.asides if "LOUD" in one and mark in one and "0.95" in one]
    alone = answer_of(CLIP, [loud])
    assert (alone.state, alone.grade) == (State.NOTHING_TO_JUDGE, None)
    assert line(alone, LineKind.FACES).detectors[0].model_name == "LOUD"
    assert not alone.disclaimer
    assert not alone.stress
    assert not alone.heatmaps


def test_two_detectors_of_one_family_count_once() -> None:
    one_kind = [of(FACES | {"family": "twins"}, name) for name in ("TWIN-A", "TWIN-B")]
    told = line(answer_of(CLIP, one_kind), LineKind.FACES)
    assert "independent" not in told.why
    assert [note for note in told.notes if "TWIN-A and TWIN-B" in note and "one check" in note]
    two = line(answer_of(CLIP, [of(FACES, "FACE-A"), of(FACES, "FACE-B")]), LineKind.FACES)
    assert two.why.startswith("2 independent checks of the faces")
    assert not [note for note in two.notes if "one check" in note]


def test_a_family_does_not_contradict_itself() -> None:
    twins = FACES | {"family": "twins"}
    assert not answer_of(CLIP, [of(twins, "TWIN-A"), clean(twins, "TWIN-B")]).disagreements
    (told,) = answer_of(CLIP, [of(FACES, "FACE-A"), clean(FACES, "FACE-B")]).disagreements
    assert "FACE-A" in told
    assert "FACE-B" in told
    assert "contradict" in told


def test_signs_in_one_line_and_nothing_in_another_are_told_as_both() -> None:
    answer = answer_of(CLIP, [of(FACES, "FACE-A"), clean(VOICE, "VOICE-A")])
    assert answer.state is State.SIGNS
    assert line(answer, LineKind.VOICE).state is State.NOTHING_FOUND
    (told,) = answer.disagreements
    assert "signs in the faces" in told
    assert "none were found in the voice" in told


@pytest.mark.parametrize("media", [CLIP, LANDSCAPE], ids=["clip", "landscape"])
def test_a_file_that_nobody_could_look_at(media: MediaInfo) -> None:
    voice = [blank(VOICE, GapReason.NO_SPEECH, "VOICE-A")] if media.has_audio else []
    answer = answer_of(media, [blank(FACES, GapReason.NO_FACE, media=media), *voice], planted.file_history())
    assert answer.state is State.NOTHING_TO_JUDGE
    assert answer.why == ("There is no face and no speech in this file." if voice else "There is no face in this file.")
    assert not answer.disclaimer
    assert not answer.stress
    assert not answer.heatmaps
    assert not answer.scale
    assert "nothing was concluded" in answer.sentence
    assert "authentic" not in answer.model_dump_json(exclude={"media"})


@pytest.mark.parametrize("looked", [True, False], ids=["judged", "glimpsed"])
def test_of_several_pictures_is_said_which_was_looked_at(looked: bool) -> None:
    moving = LANDSCAPE.model_copy(update={"name": "coast.gif", "container": "gif", "frame_count": 12})
    results = [blank(FACES, GapReason.NO_FACE, media=moving)] if looked else []
    answer = answer_of(moving, results, waiting=[] if looked else [FACE_CARD], glance=Glance(faces=0, frames=1))
    told = "There is no face in the first of the 12 pictures in this file; the others were not looked at."
    assert (answer.state, answer.why, line(answer, LineKind.FACES).why) == (State.NOTHING_TO_JUDGE, told, told)
    for result in (of(FACES, media=moving), clean(FACES, media=moving)):
        sentence = answer_of(moving, [result]).sentence
        assert "in this file's first picture" in sentence
        assert len(sentence.split()) <= 25


def waiting(**fields: Any) -> DetectorConfig:
    return DetectorConfig(class_name="X", description="", model_path=Path("x"), **fields)


FACE_CARD = waiting(model_name="FACE-A", evidence="face texture", isVideo=True, isImage=True)
VOICE_CARD = waiting(model_name="VOICE-A", evidence="sound spectrum", isAudio=True)


def test_the_reason_is_known_before_anything_runs() -> None:
    glance = Glance(faces=0, frames=1)
    answer = answer_of(LANDSCAPE, [], waiting=[FACE_CARD], glance=glance)
    assert (answer.state, answer.why) == (State.NOTHING_TO_JUDGE, "There is no face in this file.")
    assert not answer.complete
    assert not answer.disclaimer
    some = answer_of(CLIP, [], waiting=[FACE_CARD, VOICE_CARD], glance=Glance(faces=0, frames=4, speech_s=0.0))
    assert some.why == "There is no face and no speech in what was looked at so far."


@pytest.mark.parametrize(
    "glance", [None, Glance(), Glance(faces=2, frames=4), Glance(faces=0, frames=4, speech_s=3.0)], ids=str
)
def test_nothing_is_told_before_a_check_has_ended(glance: Glance | None) -> None:
    answer = answer_of(CLIP, [], waiting=[FACE_CARD, VOICE_CARD], glance=glance)
    assert (answer.state, answer.sentence, answer.disclaimer) == (None, "", "")
    assert [one.kind for one in answer.pending] == [LineKind.FACES, LineKind.VOICE]


def test_lines_fill_in_as_checks_end() -> None:
    answer = answer_of(CLIP, [of(FACES)], waiting=[VOICE_CARD], glance=Glance(faces=0, frames=4))
    assert answer.state is State.SIGNS
    assert [one.models for one in answer.pending] == [("VOICE-A",)]
    assert "the voice" not in " ".join(answer.not_judged)


def test_what_was_measured_without_a_scale_is_no_sign_and_no_all_clear() -> None:
    measured = blank({"evidence": "whole frames over time"}, GapReason.NOT_CALIBRATED, "D3")
    alone = answer_of(CLIP, [measured])
    assert alone.state is State.NOTHING_TO_JUDGE
    assert alone.why.startswith("It was measured, but")
    assert answer_of(CLIP, [measured, clean(FACES)]).state is State.NOTHING_FOUND


def test_no_detector_takes_such_a_file() -> None:
    answer = answer_of(CLIP, [])
    assert (answer.state, answer.why) == (
        State.NOTHING_TO_JUDGE,
        "No detector that is ready takes a file of this kind.",
    )


def test_nothing_found_names_what_the_detectors_behind_it_miss() -> None:
    answer = answer_of(CLIP, [clean(FACES, "FACE-A"), clean(FACES | {"misses": "It misses smiles."}, "FACE-B")])
    assert answer.state is State.NOTHING_FOUND
    assert line(answer, LineKind.FACES).misses == "It misses faces that were generated whole. It misses smiles."
    assert answer.disclaimer == "No evidence found is not proof that the media is authentic."
    without = {"evidence": "face texture", "limits": "Does not see bodies."}
    assert line(answer_of(CLIP, [clean(without)]), LineKind.FACES).misses == "Does not see bodies."


@pytest.mark.parametrize("made", [of, clean])
def test_no_odds_without_a_calibration_for_that_kind_of_media(made: Any) -> None:
    with_it = line(answer_of(CLIP, [made(FACES, error_rates=rates())]), LineKind.FACES)
    without = line(answer_of(CLIP, [made(FACES, error_rates=rates(), calibrated=False)]), LineKind.FACES)
    assert with_it.error_rate
    assert not without.error_rate


def test_the_error_rate_is_the_one_that_bears_on_the_answer() -> None:
    signs = line(answer_of(CLIP, [of(FACES, error_rates=rates())]), LineKind.FACES).error_rate
    assert signs == (
        "In its test this check wrongly suspected about 2 of 100 genuine clips at least as strongly (up to 7 are possible), "
        "measured on 100 clips of 100 people."
    )
    nothing = line(answer_of(CLIP, [clean(FACES, error_rates=rates())]), LineKind.FACES).error_rate
    assert nothing == (
        "In its test this check missed about 34 of 100 fakes (up to 43 are possible), measured on 90 swaps into clips of 90 "
        "people."
    )
    seldom = of(FACES, error_rates=rates(genuine_as_high=0.004))
    assert "suspected fewer than 1 of 100" in line(answer_of(CLIP, [seldom]), LineKind.FACES).error_rate
    none = rates(genuine_as_high=0.0, missed=0.0)
    assert (
        "none of 100 genuine clips" in line(answer_of(CLIP, [of(FACES, error_rates=none)]), LineKind.FACES).error_rate
    )
    assert "none of 90 fakes" in line(answer_of(CLIP, [clean(FACES, error_rates=none)]), LineKind.FACES).error_rate
    unclear = clean(FACES, prediction=Prediction.INCONCLUSIVE, grade=Grade.INCONCLUSIVE, confidence=None, p_fake=0.5)
    assert not line(answer_of(CLIP, [unclear]), LineKind.FACES).error_rate


@pytest.mark.parametrize(("high", "state"), [(0.98, State.NOTHING_FOUND), (0.2, State.UNCLEAR)])
def test_a_detector_that_never_clears_found_nothing_where_genuine_media_score_the_same(
    high: float, state: State
) -> None:
    never = {"prediction": Prediction.INCONCLUSIVE, "grade": Grade.INCONCLUSIVE, "confidence": None}
    never["gap"] = GapReason.BETWEEN_THRESHOLDS
    limits = Thresholds(real=0.0, fake=0.92)
    voice = clean(VOICE, "VOICE-A", **never, thresholds=limits, error_rates=rates(genuine_as_high=high))
    answer = answer_of(CLIP, [voice])
    assert line(answer, LineKind.VOICE).state is state
    assert "authentic" in answer.disclaimer or state is State.UNCLEAR


def test_a_detector_blind_to_some_forgeries_found_nothing_and_says_what_it_misses() -> None:
    never = {"prediction": Prediction.INCONCLUSIVE, "grade": Grade.INCONCLUSIVE, "confidence": None}
    limits = Thresholds(real=0.22, fake=0.9, clears=False)
    blind = clean(FACES, **never, gap=GapReason.ONE_SIDED, thresholds=limits)
    answer = answer_of(CLIP, [blind])
    assert line(answer, LineKind.FACES).state is State.NOTHING_FOUND
    assert line(answer, LineKind.FACES).misses
    assert "authentic" in answer.disclaimer


@pytest.mark.parametrize(
    ("broken", "state", "word"),
    [(True, State.UNCLEAR, "says nothing"), (False, State.NOTHING_TO_JUDGE, "next to nothing")],
)
def test_a_damaged_picture_is_never_cleared(broken: bool, state: State, word: str) -> None:
    media = PICTURE.model_copy(update={"damaged": broken})
    low = {
        "prediction": Prediction.INCONCLUSIVE,
        "grade": Grade.INCONCLUSIVE,
        "confidence": None,
        "gap": GapReason.DAMAGED,
    }
    limits = {"thresholds": Thresholds(real=0.0, fake=0.92), "error_rates": rates(genuine_as_high=0.98)}
    answer = answer_of(media, [clean(FACES, media=media, **low, **limits)])
    assert answer.state is state
    assert word in answer.why


def person(number: int, samples: int, p_fake: float, grade: Grade) -> PersonScore:
    return PersonScore(
        person=number, first_s=0, last_s=2, samples=samples, p_fake=p_fake, highest_p_fake=p_fake, grade=grade
    )


def faces_of(people: dict[int, list[int]], p_fake: dict[int, float]) -> tuple[Any, ...]:
    """Samples 0 to 5 with the faces of these people in them."""
    samples = []
    for index in range(6):
        seen = [n for n, where in people.items() if index in where]
        faces = tuple(FaceScore(face_box=(10, 10, 60, 60), p_fake=p_fake[n], person=n) for n in seen)
        highest = max((face.p_fake for face in faces), default=None)
        gap = GapReason.NO_FACE if highest is None else None
        samples.append(planted.sample(index, p=highest, gap=gap, faces=faces))
    return tuple(samples)


def test_nobody_below_three_samples_gets_a_grade_or_a_headline() -> None:
    brief = of(FACES, people=(person(1, 2, 0.95, Grade.STRONG),), scores=faces_of({1: [0, 1]}, {1: 0.95}))
    answer = answer_of(CLIP, [brief])
    assert (answer.state, answer.grade) == (State.UNCLEAR, None)
    assert "single frames err too often" in answer.why
    assert not line(answer, LineKind.FACES).look

    both = of(
        FACES,
        people=(person(1, 6, 0.8, Grade.MODERATE), person(2, 2, 0.99, Grade.STRONG)),
        scores=faces_of({1: [0, 1, 2, 3, 4, 5], 2: [3, 4]}, {1: 0.8, 2: 0.99}),
        p_fake=0.8,
    )
    told = line(answer_of(CLIP, [both]), LineKind.FACES)
    assert told.grade is Grade.MODERATE
    assert {place.person for place in told.look} == {1}
    assert not [note for note in told.notes if "people were judged" in note]


def test_a_face_in_too_few_of_many_samples_is_nothing_to_judge() -> None:
    scores = (planted.sample(0, p=0.3), *(planted.sample(index, gap=GapReason.NO_FACE) for index in range(1, 32)))
    low = {"prediction": Prediction.INCONCLUSIVE, "grade": Grade.INCONCLUSIVE, "confidence": None, "p_fake": 0.3}
    once = of(FACES, scores=scores, gap=GapReason.LOW_COVERAGE, coverage=1 / 32, **low)
    assert answer_of(CLIP, [once]).state is State.NOTHING_TO_JUDGE
    more = tuple(planted.sample(i, p=0.3) if i < 5 else planted.sample(i, gap=GapReason.NO_FACE) for i in range(32))
    often = answer_of(CLIP, [of(FACES, scores=more, gap=GapReason.LOW_COVERAGE, coverage=5 / 32, **low)])
    assert often.state is State.UNCLEAR
    assert "16 % of it" in often.why


def test_spans_are_where_samples_were_judged() -> None:
    judged = [6, 7, 8, 9, 14]
    scores = tuple(
        planted.sample(index, p=0.9) if index in judged else planted.sample(index, gap=GapReason.NO_FACE)
        for index in range(18)
    )
    answer = answer_of(CLIP, [of(FACES, scores=scores, coverage=5 / 18)])
    faces = line(answer, LineKind.FACES)
    assert [(span.start_s, span.end_s) for span in faces.spans] == [(3.0, 4.5), (7.0, 7.0)]
    assert faces.judged == "Judged: 00:03-00:04, 00:07 of 00:09."
    assert "00:03-00:04, 00:07" in answer.technical
    assert [place.text for place in faces.look] == ["00:03-00:04", "00:07"]
    assert "Faces: only part of the file could be judged. The rest holds no face." in answer.not_judged


def test_what_could_not_be_read_is_not_spoken_for() -> None:
    partly = CLIP.model_copy(update={"decoded_share": 0.5})
    nothing = answer_of(partly, [blank(FACES, GapReason.NO_FACE, media=partly)])
    assert nothing.why == "There is no face in what could be read of this file."
    judged = line(answer_of(partly, [of(FACES, media=partly)]), LineKind.FACES).judged
    assert judged.endswith("of 00:09; part of the file could not be read.")
    assert "could not be read" not in line(answer_of(CLIP, [of(FACES)]), LineKind.FACES).judged


def test_in_a_picture_the_region_is_told() -> None:
    faces = (FaceScore(face_box=(10, 20, 90, 100), p_fake=0.9), FaceScore(face_box=(500, 200, 600, 340), p_fake=0.1))
    scores = (planted.sample(0, p=0.9, time_s=None, frame_index=None, faces=faces),)
    (place,) = line(answer_of(PICTURE, [of(FACES, media=PICTURE, scores=scores)]), LineKind.FACES).look
    assert (place.text, place.region, place.time_s) == ("the face at the upper left", (10, 20, 90, 100), None)


def claim(sign: Grade | None, title: str) -> ProvenanceFinding:
    return planted.finding(title, notable=True).model_copy(update={"sign": sign})


def history(*findings: ProvenanceFinding) -> Provenance:
    return Provenance(credentials=CredentialState.ABSENT, findings=findings)


def test_what_the_file_says_of_itself_is_a_line() -> None:
    says = history(claim(Grade.MODERATE, "It names a generator: X"), claim(None, "Compressed twice"))
    answer = answer_of(CLIP, [clean(FACES)], says)
    assert (answer.state, answer.grade) == (State.SIGNS, Grade.MODERATE)
    assert answer.why == "The file itself says or shows it: It names a generator: X."
    assert "signs in the file's history" in answer.disagreements[0]
    assert not answer.heatmaps
    assert answer.stress
    assert answer.lines[0].notes == ("Worth a look: Compressed twice.",)


def test_a_quiet_history_clears_nothing() -> None:
    answer = answer_of(CLIP, [blank(FACES, GapReason.NO_FACE)], history())
    assert line(answer, LineKind.HISTORY).state is State.NOTHING_FOUND
    assert answer.state is State.NOTHING_TO_JUDGE
    assert not answer.disclaimer


MANY = [  # all that a video can have
    waiting(model_name=f"{kind.name}-A", line=kind, isVideo=True)
    for kind in LineKind
    if kind not in (LineKind.HISTORY, LineKind.EDITS)
]


@pytest.mark.parametrize("done", [of(FACES), clean(FACES)], ids=["signs", "none"])
def test_what_is_copied_too_early_says_that_it_is_incomplete_and_what_is_missing(done: AnalysisResult) -> None:
    early = answer_of(CLIP, [done], waiting=[VOICE_CARD])
    assert early.sentence.startswith("Incomplete: ")
    assert early.sentence.endswith("missing: Voice.")
    assert "Not complete yet; still being checked: the voice." in early.technical
    late = answer_of(CLIP, [done, clean(VOICE, "VOICE-A")])
    assert not re.search("(?i)incomplete|not complete", late.sentence + late.technical)


def test_however_many_checks_are_missing_each_is_named_in_25_words() -> None:
    early = answer_of(CLIP, [], planted.file_history(), waiting=MANY)
    told = answer_of(CLIP, [of(FACES)], waiting=MANY)
    for title in ("Faces", "Voice", "Lips and voice", "Whole picture", "Motion over time"):
        assert title in told.sentence
    assert early.state is None or len(early.sentence.split()) <= 25
    assert len(told.sentence.split()) <= 25


def test_a_detector_that_stopped_is_named() -> None:
    answer = answer_of(CLIP, [of(FACES)], failed=[(VOICE_CARD, "Its weights are missing.")])
    assert line(answer, LineKind.VOICE).why == "The check could not be made. Its weights are missing."
    beside = answer_of(CLIP, [clean(VOICE, "VOICE-B")], failed=[(VOICE_CARD, "Its weights are missing.")])
    assert line(beside, LineKind.VOICE).state is State.NOTHING_FOUND
    assert "Voice: VOICE-A did not answer: Its weights are missing." in beside.not_judged


def test_what_no_detector_looks_at_is_named() -> None:
    answer = answer_of(PICTURE, [clean(FACES, media=PICTURE)])
    generated, told = answer.not_judged
    assert told == "Not checked, since no detector for it was ready: single parts of the picture."
    assert "generated as a whole" in generated
    assert "drishtiksha " not in generated, "a visitor of a page has no command line"
    (name,) = answer.advised
    assert f"{name} looks for that" in generated
    config = ModelManager(load_settings()).get_active_model_configs()[name]
    assert (config.counts_in, config.proven) == (LineKind.PICTURE, True), "the remedy fetches what was missing"


EVERY = {
    "signs": lambda: answer_of(CLIP, [of(FACES, error_rates=rates()), clean(VOICE, "VOICE-A")], planted.file_history()),
    "unclear": lambda: answer_of(
        CLIP,
        [clean(FACES, prediction=Prediction.INCONCLUSIVE, grade=Grade.INCONCLUSIVE, confidence=None, p_fake=0.5)],
    ),
    "nothing_found": lambda: answer_of(CLIP, [clean(kind, f"M-{kind['evidence']}") for kind in KINDS]),
    "nothing_to_judge": lambda: answer_of(CLIP, [blank(FACES, GapReason.NO_FACE)], failed=[(VOICE_CARD, "Stopped.")]),
    "signs in a recording": lambda: answer_of(
        planted.recording().media, [planted.recording().model_copy(update={"provenance": of(VOICE).provenance})]
    ),
    "history": lambda: answer_of(CLIP, [clean(FACES)], history(claim(Grade.STRONG, "It says so"))),
    "open": lambda: answer_of(CLIP, [], waiting=[FACE_CARD, VOICE_CARD]),
}
KINDS = [
    FACES,
    VOICE,
    {"evidence": "whole picture"},
    {"evidence": "lips and voice"},
    {"evidence": "whole frames over time"},
    {"evidence": "local edits"},
]


@pytest.mark.parametrize("name", EVERY)
def test_json_round_trip_and_short_sentence(name: str) -> None:
    answer = EVERY[name]()
    assert Answer.model_validate_json(answer.model_dump_json()) == answer
    assert len(answer.sentence.split()) <= 25
    assert not answer.judged or (answer.media.sha256 in answer.technical and "Drishtiksha" in answer.technical)
    assert "  " not in answer.technical


@pytest.mark.parametrize("evidence", [kind["evidence"] for kind in KINDS])
def test_the_longest_short_sentence_has_25_words(evidence: str) -> None:
    answer = answer_of(CLIP, [of({"evidence": evidence})])
    assert answer.media.kind is MediaKind.VIDEO
    assert f"clearest at {answer.lines[0].look[0].text.partition(',')[0]}." in answer.sentence, "as the line says it"
    assert len(answer.sentence.split()) <= 25


@pytest.mark.parametrize("name", EVERY)
def test_every_sentence_comes_from_the_catalogue(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a language in which every sentence begins with a mark, no text of the answer lacks it."""

    def marked(tree: dict[str, Any]) -> dict[str, Any]:
        return {key: marked(text) if isinstance(text, dict) else f"¤{text}" for key, text in tree.items()}

    english = yaml.safe_load((texts.FOLDER / "en.yaml").read_text(encoding="utf-8"))
    strange = marked(english) | {
        "misses": {"FACE-A": "¤a", "FACE-B": "¤b", "VOICE-A": "¤c", **marked(english["misses"])}
    }
    (tmp_path / "en.yaml").write_text(yaml.safe_dump(strange), encoding="utf-8")
    monkeypatch.setattr(texts, "FOLDER", tmp_path)
    answer = EVERY[name]()
    own = [
        answer.headline,
        answer.why,
        answer.scale,
        answer.disclaimer,
        answer.sentence,
        answer.technical,
        *answer.next,
    ]
    own += [*answer.disagreements, *answer.not_judged, *answer.asides, *(one.text for one in answer.pending)]
    for one in answer.lines:
        own += [one.title, one.says, one.why, one.error_rate, one.judged, *one.notes]
        own += [one.misses] if one.misses and not one.detectors else []
        own += [behind.text for behind in one.detectors]
    assert [text for text in own if text and not text.startswith("¤")] == []


def test_a_language_without_a_catalogue_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no catalogue of sentences in 'xx'.*en"):
        answer_of(CLIP, [], language="xx")


def test_a_grade_stands_next_to_signs_alone() -> None:
    with pytest.raises(ValidationError, match="next to `signs`"):
        Line(kind=LineKind.FACES, title="", state=State.SIGNS, says="", why="")
    with pytest.raises(ValidationError, match="only"):
        Line(kind=LineKind.FACES, title="", state=State.UNCLEAR, grade=Grade.WEAK, says="", why="")


def test_the_scale_of_grades_can_be_read() -> None:
    assert [step.grade for step in grade_scale()] == [Grade.WEAK, Grade.MODERATE, Grade.STRONG]
    assert answer_of(CLIP, [of(FACES)]).scale == grade_scale()[1].meaning
    assert all("three grades" in step.meaning for step in grade_scale())


def test_every_gap_has_its_words() -> None:
    assert {f"gap.{gap.value}" for gap in GapReason} <= Texts.of().keys
    assert {f"{table}.{kind.name.lower()}" for table in ("title", "subject") for kind in LineKind} <= Texts.of().keys


def test_the_embedded_detectors_say_what_they_miss() -> None:
    configs = ModelManager(load_settings()).get_active_model_configs()
    embedded = {name: configs[name] for name in configs if "-LITE-" in name}
    assert {name: config.counts_in for name, config in embedded.items()} == {
        "FACE-BLEND-LITE-V1": LineKind.FACES,
        "VOICE-SPOOF-LITE-V1": LineKind.VOICE,
        "VOICE-SPOOF-LITE-V2": LineKind.VOICE,
    }
    assert all(config.misses.startswith("It ") and config.misses.count(".") == 1 for config in embedded.values())
    assert configs["SIGLIP-LSTM-V1"].family == configs["SIGLIP-LSTM-V4"].family != ""
    assert configs["SIGLIP-LSTM-V1"].counts_in is LineKind.MOTION
