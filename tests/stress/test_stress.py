"""Stress tests on real files: changed copies are real encodings, and a verdict's flips are told as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import media_factory
import numpy as np
import pytest
import torch
from detector_kit import BRIGHTNESS, LOUDNESS, dropped_in, entry, manager_of, plain_weights
from PIL import Image
from typer.testing import CliRunner

from drishtiksha.casefile import StressPoint, StressResult
from drishtiksha.cli import app
from drishtiksha.errors import AnalysisCancelledError, UnreadableMediaError, WrongMediaKindError
from drishtiksha.events import CancelToken, ProgressEvent
from drishtiksha.media.audio import read_audio
from drishtiksha.media.decode import Frame
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.video import iter_frames
from drishtiksha.registry import ModelManager
from drishtiksha.results import GapReason, Grade, Prediction
from drishtiksha.settings import ROOT, MediaLimits, load_settings
from drishtiksha.stress import run, stress_test
from drishtiksha.stress.changes import picture_changes, sound_changes, video_changes
from drishtiksha.stress.encode import SOUND_RATE, write_sound, write_video
from drishtiksha.stress.words import CAUTION, sentences

ASSETS = ROOT / "assets"
ALTERED = ASSETS / "portrait_altered.jpg"


@pytest.fixture(scope="module")
def manager() -> ModelManager:
    """Of faces in videos four frames are enough here: what is tested is which copies are made, and what is told of them."""
    settings = load_settings(device="cpu")
    settings.models["FACE-BLEND-LITE-V1"]["num_frames"] = 4
    return ModelManager(settings)


@pytest.fixture(scope="module")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 0.8 s of the embedded clip."""
    target = tmp_path_factory.mktemp("stress") / "short.mp4"
    with iter_frames(ASSETS / "clip_with_sound.mp4", limits=MediaLimits()) as stream:
        write_video(target, islice(stream, 20), crf=18, sound=media_factory.tone(0.8, SOUND_RATE))
    return target


@pytest.fixture(scope="module")
def altered(manager: ModelManager) -> tuple[StressResult, list[ProgressEvent]]:
    """The test of a picture, and what was told of its progress."""
    told: list[ProgressEvent] = []
    return stress_of(manager, "FACE-BLEND-LITE-V1", ALTERED, reporter=told.append), told


def stress_of(manager: ModelManager, name: str, path: Path, **options: object) -> StressResult:
    evidence = Evidence.open(path, options.setdefault("limits", MediaLimits()))  # type: ignore[arg-type]
    return stress_test(evidence, manager.load_model(name), **options)  # type: ignore[arg-type]


def test_each_kind_goes_from_mild_to_strong() -> None:
    for changes in (picture_changes(), video_changes(), sound_changes()):
        by_kind: dict[str, list[float]] = {}
        for change in changes:
            by_kind.setdefault(change.kind, []).append(change.strength)
        assert all(strengths == sorted(strengths) for strengths in by_kind.values())
        assert len({change.label for change in changes}) == len(changes)


def test_picture_changes_do_what_they_say() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    by_label = {change.label: change.apply(image) for change in picture_changes()}
    assert by_label["Scaled down to 50%"].shape == (100, 150, 3)
    assert by_label["Cropped to the middle 75%"].shape == (150, 224, 3) or by_label[
        "Cropped to the middle 75%"
    ].shape == (150, 226, 3)
    assert np.array_equal(by_label["Mirrored left to right"][:, ::-1], image)
    grey = np.full((200, 300, 3), 128, np.uint8)
    noisy = next(c for c in picture_changes() if c.label == "Noise of 10 grey levels").apply(grey)
    assert noisy.astype(float).std() == pytest.approx(10, rel=0.05)


def test_a_telephone_passes_the_middle_alone() -> None:
    telephone = next(c for c in sound_changes() if "telephone" in c.label)
    for hz, passes in ((100, False), (1000, True), (6000, False)):
        loud = float(np.std(telephone.apply(media_factory.tone(1.0, SOUND_RATE, hz))[SOUND_RATE // 2 :]))
        assert (loud > 0.3) is passes, f"{hz} Hz came through at {loud:.3f}"


def test_a_written_copy_keeps_times_colours_and_sound(tmp_path: Path) -> None:
    frames = [Frame(i, 5.0 + at, media_factory.coded_frame(i)) for i, at in enumerate((0.0, 0.04, 0.12, 0.5))]
    sound = media_factory.tone(0.6, SOUND_RATE)
    target = tmp_path / "copy.mp4"
    write_video(target, frames, crf=10, sound=sound)
    with iter_frames(target, limits=MediaLimits()) as stream:
        read = list(stream)
    assert [media_factory.read_code(frame.image) for frame in read] == [0, 1, 2, 3]
    assert [round(frame.time_s, 3) for frame in read] == [0.0, 0.04, 0.12, 0.5]
    colour = read[0].image[90, 20].astype(int)
    assert np.abs(colour - (220, 30, 30)).max() < 12
    assert float(np.std(read_audio(target, 16_000, limits=MediaLimits()))) > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("change", sound_changes(), ids=lambda change: change.label)
def test_every_sound_change_makes_a_file_that_can_be_read(change: object, tmp_path: Path) -> None:
    wave = media_factory.speech_like(2.0, SOUND_RATE)
    target = tmp_path / f"changed.{change.suffix}"  # type: ignore[attr-defined]
    write_sound(target, change.apply(wave), change.encoder, change.bit_rate)  # type: ignore[attr-defined]
    heard = Evidence.open(target, MediaLimits()).media
    assert heard.duration_s == pytest.approx(2.0, abs=0.15)


@pytest.mark.slow
def test_a_picture_is_scored_after_every_change(altered: tuple[StressResult, list[ProgressEvent]]) -> None:
    result, told = altered
    assert [point.label for point in result.points] == [change.label for change in picture_changes()]
    assert all((point.p_fake is None) == (point.gap is GapReason.FACE_TOO_SMALL) for point in result.points)
    scores = [p for p in (result.baseline.p_fake, *(point.p_fake for point in result.points)) if p is not None]
    assert len(scores) > len(result.points) * 0.8
    assert (result.low, result.high) == (min(scores), max(scores))
    assert len({round(p, 4) for p in scores}) > len(scores) // 2, "the changes changed nothing"
    flips = [point.prediction is not result.baseline.prediction for point in result.points]
    assert [point.flips for point in result.points] == flips
    assert StressResult.model_validate_json(result.model_dump_json()) == result
    assert [event.message for event in told[1:]] == [point.label for point in result.points]


@pytest.mark.slow
def test_a_clip_goes_down_the_ladder_and_a_voice_through_codecs(manager: ModelManager, short_clip: Path) -> None:
    seen = stress_of(manager, "FACE-BLEND-LITE-V1", short_clip)
    assert [point.label for point in seen.points] == [change.label for change in video_changes()]
    assert len({round(point.p_fake or 0, 4) for point in seen.points}) > len(seen.points) // 2, "nothing was changed"
    heard = stress_of(manager, "VOICE-SPOOF-LITE-V1", ASSETS / "clip_with_sound.mp4")
    assert [point.label for point in heard.points] == [change.label for change in sound_changes()]


@pytest.mark.slow
def test_of_a_long_clip_a_part_stands_in(
    manager: ModelManager, short_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "VIDEO_EXCERPT_S", 0.4)
    result = stress_of(manager, "FACE-BLEND-LITE-V1", short_clip)
    assert result.points[0].kind == "excerpt"
    control = result.points[0].prediction
    assert all(point.flips == (point.prediction is not control) for point in result.points)
    assert any("only a part of it was changed" in sentence for sentence in result.sentences)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelManager]:
    """EYES calls bright pictures fake and cannot judge dark ones; EARS calls loud sound fake."""
    torch.save({"gain": torch.ones(1)}, tmp_path / "ears.pt")
    models = {
        "EYES": entry(model_path=str(plain_weights(tmp_path / "eyes.pt")), num_frames=8, skip_dark=True),
        "EARS": entry("LoudnessDetector", str(tmp_path / "ears.pt")),
    }
    with dropped_in(tmp_path / "more", brightness=BRIGHTNESS, loudness=LOUDNESS):
        yield manager_of(models, tmp_path, monkeypatch)


def written(path: Path, greys: np.ndarray, sound: np.ndarray) -> Path:
    """A clip of a fifth of a second for each grey level, with mono sound at 16 kHz."""
    frames = (np.full((64, 96, 3), round(grey), np.uint8) for grey in greys)
    return media_factory.write_video(path, frames, 5, audio=(sound, 16_000))


@pytest.mark.slow
def test_sound_that_ends_before_the_part_is_left_away(tiny: ModelManager, tmp_path: Path) -> None:
    clip = written(tmp_path / "clip.mp4", np.linspace(60, 255, 120), media_factory.speech_like(3.0))
    result = stress_of(tiny, "EYES", clip)
    assert [point.label for point in result.points[1:]] == [change.label for change in video_changes()]
    assert result.points[0].kind == "excerpt"
    assert all(point.p_fake is not None for point in result.points)


def test_without_sound_in_the_part_no_sound_is_changed(
    tiny: ModelManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SOUND_EXCERPT_S", 10.0)
    clip = written(tmp_path / "clip.mp4", np.full(120, 128), np.zeros(48_000, np.float32))
    with pytest.raises(WrongMediaKindError, match=r"The sound of clip\.mp4 ends before"):
        stress_of(tiny, "EARS", clip)


def test_a_cut_off_clip_with_no_picture_in_the_part_says_so(tiny: ModelManager, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    dark = (rng.integers(0, 60, (64, 96, 3), dtype=np.uint8) for _ in range(120))
    options = {"g": "1000", "bf": "0", "sc_threshold": "0"}
    whole = media_factory.write_video(tmp_path / "whole.mp4", dark, 5, options=options)
    with (
        av.open(str(whole)) as source,
        av.open(str(tmp_path / "f.mp4"), "w", options={"movflags": "faststart"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    cut = media_factory.cut_short(tmp_path / "f.mp4", tmp_path / "cut.mp4", 0.2)
    with pytest.raises(UnreadableMediaError, match=r"cut\.mp4 .* no picture of the part to be changed"):
        stress_of(tiny, "EYES", cut)


def test_a_copy_needs_a_frame(tmp_path: Path) -> None:
    for sound in (None, media_factory.tone(0.5, SOUND_RATE)):
        with pytest.raises(UnreadableMediaError, match=r"copy\.mp4 .* no picture"):
            write_video(tmp_path / "copy.mp4", [], crf=23, sound=sound)


@pytest.mark.slow
def test_a_copy_that_cannot_be_examined_is_left_out_and_said_to_be(manager: ModelManager) -> None:
    portrait = ASSETS / "portrait.jpg"
    limits = MediaLimits(max_bytes=portrait.stat().st_size + 1)
    result = stress_of(manager, "FACE-BLEND-LITE-V1", portrait, limits=limits)
    tested = [point.label for point in result.points]
    missing = [change.label for change in picture_changes() if change.label not in tested]
    assert "JPEG quality 50" in tested
    assert "Noise of 10 grey levels" in missing
    assert f"of {len(tested)} changes." in result.sentences[0]
    (told,) = [sentence for sentence in result.sentences if sentence.startswith("Left out")]
    assert told.startswith(
        f"Left out: {'; '.join(missing)}. The changed copy could not be examined: portrait.jpg is larger"
    )
    assert result.sentences[-1] == CAUTION


@pytest.mark.slow
def test_nothing_to_judge_is_no_band(manager: ModelManager, tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.fromarray(np.full((300, 300, 3), 128, np.uint8)).save(path)
    result = stress_of(manager, "FACE-BLEND-LITE-V1", path)
    assert result.low is None
    assert {point.prediction for point in result.points} == {Prediction.INCONCLUSIVE}
    assert any("no band of scores" in sentence for sentence in result.sentences)


@pytest.mark.slow
def test_it_stops_when_asked_and_refuses_the_wrong_kind(manager: ModelManager) -> None:
    token = CancelToken()

    def after_two(event: ProgressEvent) -> None:
        if event.progress == 2:
            token.cancel()

    with pytest.raises(AnalysisCancelledError):
        stress_of(manager, "FACE-BLEND-LITE-V1", ASSETS / "portrait.jpg", reporter=after_two, cancel=token)
    with pytest.raises(WrongMediaKindError):
        stress_of(manager, "VOICE-SPOOF-LITE-V1", ASSETS / "portrait.jpg")


def test_words_name_what_flips_and_to_what(manager: ModelManager) -> None:
    baseline = manager.load_model("FACE-BLEND-LITE-V1").analyze(ASSETS / "portrait.jpg", explain=False)
    held = baseline.prediction
    other = Prediction.FAKE if held is not Prediction.FAKE else Prediction.REAL

    def point(label: str, prediction: Prediction) -> StressPoint:
        return StressPoint(
            kind="jpeg", label=label, strength=1, prediction=prediction, grade=Grade.WEAK, p_fake=0.5, coverage=1,
            flips=prediction is not held,
        )  # fmt: skip

    told = sentences(baseline, [point("mild", held), point("strong", other)])
    assert told[0].endswith("held under 1 of 2 changes.")
    assert "strong" in told[1]
    assert "mild" not in told[1]
    assert told[-1] == CAUTION


@pytest.mark.slow
def test_the_command_prints_the_same_band(altered: tuple[StressResult, list[ProgressEvent]]) -> None:
    done = CliRunner().invoke(
        app, ["stress", str(ALTERED), "--model", "FACE-BLEND-LITE-V1", "--json", "--device", "cpu"]
    )
    assert done.exit_code == 0, done.output
    result = StressResult.model_validate(json.loads(done.stdout))
    assert [(p.label, p.p_fake) for p in result.points] == [(p.label, p.p_fake) for p in altered[0].points]
