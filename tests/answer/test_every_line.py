"""One answer about a shared clip, with a stand-in detector of each line beside the file's history."""

from __future__ import annotations

import golden
import pytest
import torch
from detector_kit import SMALL, manager_of

from drishtiksha.answer import Answer, State, answer_of
from drishtiksha.casefile import LineKind
from drishtiksha.detectors.lip_agreement import LIMITS
from drishtiksha.media.evidence import Evidence
from drishtiksha.provenance import examine
from drishtiksha.services import runs
from drishtiksha.settings import MediaLimits, load_settings

pytestmark = pytest.mark.slow

SURE = 9.0
"""A logit far beyond what random weights give."""
SHELF: dict[str, tuple[str, tuple[float, ...] | None]] = {
    "EFFORT": ("head.bias", (0.0, SURE)),
    "ANTIDEEPFAKE-W2V-SMALL": ("proj_fc.bias", (0.0, SURE)),
    "SYNCNET": ("netfclip.3.bias", None),
    "COMMUNITY-FORENSICS-384": ("vit.head.bias", (-SURE,)),
    "SIGLIP-LSTM-V3": ("video_classifier.bias", (0.0,)),
    "TRUFOR": ("detection.3.bias", (-SURE,)),
}
"""One detector of each line, and what the bias of its last layer is made, so that its state is known. Of the two outputs of
EFFORT the second is fake, of ANTIDEEPFAKE's the first."""
LINES = {
    "EFFORT": LineKind.FACES,
    "ANTIDEEPFAKE-W2V-SMALL": LineKind.VOICE,
    "SYNCNET": LineKind.LIPS,
    "COMMUNITY-FORENSICS-384": LineKind.PICTURE,
    "SIGLIP-LSTM-V3": LineKind.MOTION,
    "TRUFOR": LineKind.EDITS,
}
FIELDS = {"EFFORT": {"num_frames": 8}, "TRUFOR": {"isVideo": True}}
ONLY_MEASURED = "It was measured, but from which value on the measure speaks for a fake is not known."
SAID = {
    LineKind.HISTORY: ("File history", "No signs found", "Nothing in the file says that it was generated or changed."),
    LineKind.FACES: ("Faces", "Moderate signs of manipulation", "The check of the faces found traces of manipulation"),
    LineKind.VOICE: ("Voice", "No signs found", "The check of the voice found none of the traces that it looks for."),
    LineKind.LIPS: ("Lips and voice", "Nothing to judge", ONLY_MEASURED),
    LineKind.PICTURE: (
        "Whole picture",
        "No signs found",
        "The check of the whole picture found none of the traces that it looks for.",
    ),
    LineKind.MOTION: (
        "Motion over time",
        "Unclear",
        "The check of motion over time found too much to rule out manipulation and too little to suspect it.",
    ),
    LineKind.EDITS: (
        "Local edits",
        "No signs found",
        "The check of single parts of the picture found none of the traces that it looks for.",
    ),
}


@pytest.fixture(scope="module")
def answer(tmp_path_factory) -> Answer:
    clip, folder = golden.clip("stage_360p.mp4"), tmp_path_factory.mktemp("every_line")
    entries = load_settings().models
    models = {
        name: entries[name]
        | SMALL[entries[name]["class_name"]]
        | FIELDS.get(name, {})
        | {"model_path": str(folder / name)}
        for name in SHELF
    }
    with pytest.MonkeyPatch.context() as patch:
        manager = manager_of(models, folder, patch)
    torch.manual_seed(0)
    for name, (key, bias) in SHELF.items():
        state = manager.unloaded(name).build().state_dict()
        torch.save(state if bias is None else state | {key: torch.tensor(bias)}, folder / name)
    limits = MediaLimits()
    evidence = Evidence.open(clip, limits)
    found = runs.examine(evidence, list(models), manager, explain=False)
    assert found.failures == {}
    return answer_of(evidence.media, found.results, examine(evidence, limits))


def test_every_line_is_told_with_its_own_words(answer):
    assert [line.kind for line in answer.lines] == list(LineKind)
    for line in answer.lines:
        title, says, why = SAID[line.kind]
        assert (line.title, line.says) == (title, says)
        assert line.why.startswith(why), line.why
        assert [behind.model_name for behind in line.detectors] == [
            name for name, kind in LINES.items() if kind is line.kind
        ]


def test_the_answer_is_that_of_the_strongest_line_and_tells_the_rest(answer):
    assert (answer.state, answer.headline) == (State.SIGNS, "Moderate signs of manipulation")
    (both,) = answer.disagreements
    assert both.startswith(
        "There are signs in the faces, and none were found in the voice, the whole picture and single parts of the picture"
    )
    assert answer.asides == ("SYNCNET is experimental and decides nothing; it says: nothing to judge.",)
    assert answer.sentence.startswith(
        "Drishtiksha's check of the faces found moderate signs of manipulation in this video"
    )


def test_what_was_only_measured_is_told_on_its_line(answer):
    (lips,) = (line for line in answer.lines if line.kind is LineKind.LIPS)
    assert lips.notes[-1] == LIMITS
    assert len(lips.notes) == 2
