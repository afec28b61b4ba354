"""Files as people meet them, kept beside the repository: what each must give is told in the README there."""

from __future__ import annotations

import numpy as np
import pytest

from drishtiksha.analysis import analyze
from drishtiksha.errors import MediaError
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.image import read_image
from drishtiksha.provenance import examine
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult, GapReason, MediaKind, Prediction
from drishtiksha.settings import ROOT, MediaLimits, load_settings

CASES = ROOT.parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="needs the files in ../shared/cases")
FACES, VOICE = "FACE-BLEND-LITE-V1", "VOICE-SPOOF-LITE-V1"


@pytest.fixture(scope="module")
def manager() -> ModelManager:
    return ModelManager(load_settings(device="cpu"))


def result_of(manager: ModelManager, name: str, model: str) -> AnalysisResult:
    return analyze(Evidence.open(CASES / name, MediaLimits()), manager.get_model(model), explain=False)


@pytest.mark.slow
def test_a_joined_stream_is_seen_to_its_end(manager):
    result, plain = (result_of(manager, name, FACES) for name in ("f_ts_AB_reset.ts", "f_AB_plain.mp4"))
    assert result.media.duration_s == pytest.approx(4.24, abs=0.01)
    assert [person.p_fake for person in result.people] == pytest.approx([0.157, 0.088], abs=0.02)
    assert [score.time_s for score in result.scores] == pytest.approx(
        [score.time_s for score in plain.scores], abs=0.001
    )
    assert [person.p_fake for person in result.people] == pytest.approx(
        [person.p_fake for person in plain.people], abs=0.005
    )
    assert result.coverage == plain.coverage


@pytest.mark.slow
def test_a_jump_of_the_clock_is_no_silence(manager):
    result = result_of(manager, "a_ts_hole.ts", VOICE)
    assert result.prediction is Prediction.FAKE
    assert result.p_fake == pytest.approx(0.987, abs=0.02)
    assert result.coverage > 0.95
    assert result.media.duration_s == pytest.approx(14, abs=0.2)


def test_the_synthetic_side_of_a_call_is_found(manager):
    result = result_of(manager, "a_call_realL_fakeR.flac", VOICE)
    assert {track.label: track.p_fake for track in result.tracks} == pytest.approx(
        {"left": 0.009, "right": 0.935}, abs=0.002
    )
    assert result.prediction is Prediction.FAKE


def test_opposite_phase_is_heard(manager):
    assert result_of(manager, "a_fake_outphase.flac", VOICE).p_fake == pytest.approx(0.935, abs=0.002)


def test_the_second_voice_is_found(manager):
    result = result_of(manager, "a_two_voices.mp4", VOICE)
    assert [track.p_fake for track in result.tracks] == pytest.approx([0.009, 0.971], abs=0.002)
    assert result.prediction is Prediction.FAKE


@pytest.mark.slow
def test_a_picture_without_its_end_marker_is_judged(manager):
    result = result_of(manager, "p_noeoi.jpg", FACES)
    assert result.p_fake is not None
    assert result.gap is GapReason.ONE_SIDED, "a low score, which this detector never calls REAL"
    assert result.coverage == 1
    assert any("end is missing" in note for note in result.notes)


def test_a_camera_recording_is_decoded_to_its_end():
    media = Evidence.open(CASES / "cctv.dav", MediaLimits()).media
    assert (media.kind, media.container, media.frame_count) == (MediaKind.VIDEO, "dhav", 75)


JUDGED = ("mjpeg_exif.mkv", "pcm64.wav", "thumb_bomb.jpg")
REFUSED = {
    "aavif__field7_pitm.avif": "AVIF",
    "aflv__head2.flv": "codec",
    "aheic__boxlen4_iref.heic": "HEIC",
    "au_rate1.au": "1 samples a second",
    "wav_rate1_bits8_limit.wav": "1 samples a second",
}


@pytest.mark.parametrize("name", JUDGED)
def test_odd_files_are_judged(manager, name):
    evidence = Evidence.open(CASES / "hostile" / name, MediaLimits())
    assert examine(evidence, MediaLimits()).findings
    model = VOICE if evidence.media.kind is MediaKind.AUDIO else FACES
    result = analyze(evidence, manager.get_model(model), explain=False)
    assert result.scores or result.gap is GapReason.TOO_SHORT


@pytest.mark.parametrize("name", REFUSED)
def test_damaged_files_are_refused_with_their_format_and_reason(name):
    with pytest.raises(MediaError, match=REFUSED[name]):
        Evidence.open(CASES / "hostile" / name, MediaLimits())


@pytest.mark.slow
def test_a_stream_that_begins_in_the_midst_of_a_file_ends_nothing(manager):
    evidence = Evidence.open(CASES / "hostile" / "ats__flip0.003.ts", MediaLimits())
    assert evidence.media.frame_count == 36
    assert examine(evidence, MediaLimits()).findings
    assert len(analyze(evidence, manager.get_model(FACES), explain=False).scores) > 30


def test_two_notes_in_one_file_have_one_length(manager):
    result = result_of(manager, "a_chained.ogg", VOICE)
    assert result.media.duration_s == pytest.approx(28, abs=0.1)
    assert result.scores[-1].end_s == pytest.approx(28, abs=0.1)


@pytest.mark.slow
def test_a_camera_with_flat_pixels_is_judged_as_its_twin(manager):
    result, twin = (result_of(manager, name, FACES) for name in ("f_2cif.mp4", "f_2cif_undone.mp4"))
    assert (result.media.width, result.media.height, result.media.stored_size) == (704, 528, (704, 288))
    assert result.p_fake == pytest.approx(twin.p_fake, abs=0.02)
    assert result.coverage == twin.coverage
    assert len(result.people) == len(twin.people) == 1


def test_a_picture_in_linear_light_is_judged_as_its_twin(manager):
    assert result_of(manager, "p_gimp_linear.png", FACES).p_fake == pytest.approx(0.148, abs=0.02)


@pytest.mark.slow
def test_hdr_looks_as_its_twin():
    """The linear picture shows the same."""
    hdr, twin = (
        read_image(CASES / name, limits=MediaLimits()).astype(int) for name in ("p_pq.avif", "p_gimp_linear.png")
    )
    assert np.abs(hdr - twin).mean() < 3
