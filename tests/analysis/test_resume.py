"""An analysis that is cut off and goes on from its chunks ends with the result of one that was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detector_kit import (
    BRIGHTNESS,
    CLIPS,
    LOUDNESS,
    SEQUENCE,
    SMALL,
    dropped_in,
    entry,
    manager_of,
    plain_weights,
    stand_in_weights,
)
from media_factory import cut_short, speech_like, write_audio, write_video

from drishtiksha.analysis import analyze, chunks
from drishtiksha.analysis.chunks import fingerprint, pack, unpack
from drishtiksha.analysis.recipe import recipe_of
from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.siglip_lstm_v3 import SiglipLSTMV3
from drishtiksha.events import ProgressEvent
from drishtiksha.media.evidence import Evidence
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult
from drishtiksha.settings import ROOT, MediaLimits, load_settings

LIMITS = MediaLimits()
WITH_SOUND = ROOT / "assets" / "clip_with_sound.mp4"
SILENT = ROOT / "assets" / "clip_silent.mp4"


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def chunk_after_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "EVERY_S", 0.0)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Builds a loaded detector: a tiny one of the kit, or the configured model of that name."""
    more = {"brightness": BRIGHTNESS, "loudness": LOUDNESS, "sequence": SEQUENCE, "clips": CLIPS}
    with dropped_in(tmp_path / "more", **more):

        def build(class_name: str, **fields: Any) -> Detector:
            if not class_name.endswith("Detector"):
                return ModelManager(load_settings(device="cpu")).load_model(class_name)
            path = tmp_path / f"{class_name}.pt"
            if class_name == "BrightnessDetector":
                plain_weights(path)
            else:
                torch.save({"gain": torch.ones(1)}, path)
            return manager_of({"T": entry(class_name, path, **fields)}, tmp_path, monkeypatch).load_model("T")

        yield build


def facts(result: AnalysisResult) -> dict[str, Any]:
    """Everything that a result says, times apart."""
    told = result.model_dump()
    for name in ("processing_time", "stage_seconds"):
        del told[name]
    del told["provenance"]["started_utc"]
    return told


class Counter:
    """Counts what goes through the network: rows of every batch."""

    def __init__(self, detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = 0
        work = detector._work

        def counted(call: Callable[..., Any], batch: torch.Tensor) -> Any:
            self.rows += len(batch)
            return work(call, batch)

        monkeypatch.setattr(detector, "_work", counted)

    def taken(self) -> int:
        rows, self.rows = self.rows, 0
        return rows


def cut_off(evidence: Evidence, detector: Detector, after: int) -> list[bytes]:
    """The chunks of a run that ends abruptly once it has handed over `after` of them."""
    kept: list[bytes] = []

    def keep(chunk: bytes) -> None:
        kept.append(chunk)
        if len(kept) == after:
            raise Killed

    with pytest.raises(Killed):
        analyze(evidence, detector, on_chunk=keep)
    return kept


CASES = {
    "frames": ("BrightnessDetector", {"num_frames": 16, "sparse": 4, "batch_size": 3}, SILENT),
    "skipped frames": ("BrightnessDetector", {"num_frames": 16, "skip_dark": True, "batch_size": 2}, "ramp"),
    "faces": ("BrightnessDetector", {"num_frames": 10, "sparse": 3, "faces": True, "batch_size": 2}, SILENT),
    "damaged": ("BrightnessDetector", {"num_frames": 30, "batch_size": 4}, "cut"),
    "picture": ("BrightnessDetector", {"faces": True}, ROOT / "assets" / "portrait.jpg"),
    "sound": ("LoudnessDetector", {"batch_size": 2}, "speech"),
    "runs with sound": ("ClipsDetector", {"batch_size": 1}, WITH_SOUND),
    "sequence": ("SequenceDetector", {"batch_size": 2}, "ramp"),
    "sequence with gaps": ("SequenceDetector", {"batch_size": 2, "skip_dark": True}, "ramp"),
    "embedded faces": ("FACE-BLEND-LITE-V1", {}, SILENT),
    "embedded voice": ("VOICE-SPOOF-LITE-V1", {}, WITH_SOUND),
}


def media(what: Path | str, folder: Path) -> Evidence:
    path = what if isinstance(what, Path) else folder / f"{what}.mkv"
    if what == "ramp":
        levels = np.linspace(0, 255, 40).astype(int)
        write_video(path, (np.full((64, 96, 3), level, np.uint8) for level in levels), 25)
    elif what == "cut":
        rng = np.random.default_rng(0)
        whole = write_video(
            folder / "whole.mkv", [rng.integers(0, 255, (128, 128, 3), dtype=np.uint8) for _ in range(60)]
        )
        cut_short(whole, path, 0.5)
    elif what == "speech":
        path = write_audio(folder / "a.wav", speech_like(6.0), 16_000)
    return Evidence.open(path, LIMITS)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_wherever_it_is_cut_off_the_result_is_the_same(make, tmp_path, monkeypatch, case):
    class_name, fields, what = CASES[case]
    detector, evidence = make(class_name, **fields), media(what, tmp_path)
    counter = Counter(detector, monkeypatch)
    plain = analyze(evidence, detector)
    whole_rows, written = counter.taken(), []
    assert facts(analyze(evidence, detector, on_chunk=written.append)) == facts(plain)
    assert written, "something is kept"
    explaining = whole_rows - rows_without_heatmaps(evidence, detector, counter)
    for after in {1, len(written) // 2, len(written)} - {0}:
        kept = cut_off(evidence, detector, after)
        assert kept
        counter.taken()
        resumed = analyze(evidence, detector, resume=kept)
        assert facts(resumed) == facts(plain)
        rows = counter.taken()
        assert whole_rows - rows >= scored_in(kept, fingerprint(detector, evidence.media)), "nothing is scored twice"
        if after == len(written):
            assert rows == explaining, "only heatmaps are left"
        assert resumed.processing_time > 0


def scored_in(kept: list[bytes], own: bytes) -> int:
    """Samples, frames and sequences that went through the network for these chunks."""
    pieces = [unpack(chunk, own) for chunk in kept]
    return sum(
        sum(score.p_fake is not None for score in piece.scores.values()) + len(piece.frames) + len(piece.windows)
        for piece in pieces
    )


def rows_without_heatmaps(evidence: Evidence, detector: Detector, counter: Counter) -> int:
    counter.taken()
    analyze(evidence, detector, explain=False)
    return counter.taken()


def test_a_run_cut_off_twice_goes_on_twice(make, tmp_path):
    detector, evidence = make("BrightnessDetector", batch_size=2), media("ramp", tmp_path)
    first = cut_off(evidence, detector, 2)
    second: list[bytes] = []

    def keep(chunk: bytes) -> None:
        second.append(chunk)
        if len(second) == 2:
            raise Killed

    with pytest.raises(Killed):
        analyze(evidence, detector, resume=first, on_chunk=keep)
    assert facts(analyze(evidence, detector, resume=[*first, *second])) == facts(analyze(evidence, detector))


def test_finished_frames_are_not_decoded_again(make, tmp_path, monkeypatch):
    from drishtiksha.media import reader

    detector, evidence = make("BrightnessDetector", num_frames=20, sparse=16, batch_size=4), media("ramp", tmp_path)
    kept = cut_off(evidence, detector, 3)
    asked: list[int] = []
    for name in ("iter_frames", "frames_at"):
        read = getattr(reader, name)
        monkeypatch.setattr(
            reader, name, lambda path, frames, read=read, **rest: (asked.extend(frames), read(path, frames, **rest))[1]
        )
    analyze(evidence, detector, resume=kept, explain=False)
    assert len(asked) == 20 - 12


@pytest.mark.slow
def test_a_sequence_of_a_real_network_encodes_each_frame_once_over_the_interruption(tmp_path, monkeypatch):
    fields = {**SMALL["SiglipLSTMV3"], "dtype": "float32", "batch_size": 4}
    weights = stand_in_weights(SiglipLSTMV3, tmp_path / "w.pt", **fields)
    models = {"T": entry("SiglipLSTMV3", weights, **fields)}
    models["T"].pop("isImage")
    detector = manager_of(models, tmp_path, monkeypatch).load_model("T")
    evidence, encoded = media("ramp", tmp_path), []
    encode = detector.encode
    monkeypatch.setattr(detector, "encode", lambda batch: (encoded.append(len(batch)), encode(batch))[1])
    plain = analyze(evidence, detector)
    frames = sum(encoded)
    encoded.clear()
    kept = cut_off(evidence, detector, 3)
    assert 0 < sum(encoded) < frames
    assert facts(analyze(evidence, detector, resume=kept)) == facts(plain)
    assert sum(encoded) == frames


def test_frames_beyond_the_room_for_features_are_encoded_again(make, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "FEATURE_BYTES", 3 * 12)
    detector, evidence = make("SequenceDetector", batch_size=2, skip_dark=True), media("ramp", tmp_path)
    written: list[bytes] = []
    plain = analyze(evidence, detector, on_chunk=written.append)
    pieces = [unpack(chunk, fingerprint(detector, evidence.media)) for chunk in written]
    assert sum(len(piece.frames) for piece in pieces) == 3
    assert facts(analyze(evidence, detector, resume=written)) == facts(plain)


def test_progress_goes_on_from_where_it_was(make, tmp_path):
    detector, evidence = make("BrightnessDetector", batch_size=4, sparse=8), media("ramp", tmp_path)
    kept, events = cut_off(evidence, detector, 2), list[ProgressEvent]()
    analyze(evidence, detector, events.append, resume=kept)
    counts = [event.progress for event in events if event.phase == "score"]
    assert counts[0] == 8
    assert counts == sorted(counts)
    assert counts[-1] == 16


def test_the_times_of_all_parts_add_up(make, tmp_path, monkeypatch):
    detector, evidence = make("BrightnessDetector", batch_size=4), media("ramp", tmp_path)
    own = fingerprint(detector, evidence.media)
    piece = unpack(cut_off(evidence, detector, 1)[0], own)
    piece.seconds, piece.stages, piece.started_utc = 100.0, {"decode": 50.0}, "2026-01-01T00:00:00+00:00"
    result = analyze(evidence, detector, resume=[pack(piece, own)])
    assert result.processing_time > 100
    assert result.stage_seconds["decode"] > 50
    assert result.provenance.started_utc == "2026-01-01T00:00:00+00:00"


@pytest.mark.slow
def test_chunks_of_anything_else_are_passed_over(make, tmp_path, monkeypatch):
    evidence = media("ramp", tmp_path)
    other_file = Evidence.open(SILENT, LIMITS)
    foreign = [
        *cut_off(evidence, make("BrightnessDetector", batch_size=3), 1),
        *cut_off(other_file, make("BrightnessDetector", batch_size=4), 1),
        *cut_off(evidence, make("SequenceDetector", batch_size=4), 1),
    ]
    detector = make("BrightnessDetector", batch_size=4)
    counter = Counter(detector, monkeypatch)
    plain, rows = analyze(evidence, detector), counter.taken()
    assert facts(analyze(evidence, detector, resume=foreign)) == facts(plain)
    assert counter.taken() == rows
    kept = cut_off(evidence, detector, 1)
    monkeypatch.setattr(chunks, "library_versions", lambda: {"drishtiksha": "0.0.1"})
    counter.taken()
    analyze(evidence, detector, resume=kept)
    assert counter.taken() == rows, "of another version"


PROSE = {"trained_on": "a", "measured": "b", "paper": "c", "description": "d", "looks_at": "e", "limits": "f"}
NOT_OF_THE_SCORE = PROSE | {"experimental": True, "retired": True, "explain": "occlusion", "pitch": True}


def test_what_changes_no_score_voids_no_chunk(make, tmp_path):
    before, after = (
        make("BrightnessDetector", batch_size=4),
        make("BrightnessDetector", batch_size=4, **NOT_OF_THE_SCORE),
    )
    assert after.config.paper == "c"
    assert before.recipe() == after.recipe()
    of_media = media("ramp", tmp_path).media
    assert chunks.fingerprint(before, of_media) == chunks.fingerprint(after, of_media)
    assert recipe_of(before) == recipe_of(after), "an evaluation would score all files again"
    other = make("BrightnessDetector", batch_size=5)
    assert chunks.fingerprint(other, of_media) != chunks.fingerprint(before, of_media)
    assert recipe_of(other) != recipe_of(before)


def test_damaged_chunks_are_passed_over(make, tmp_path, monkeypatch):
    detector, evidence = make("BrightnessDetector", batch_size=4), media("ramp", tmp_path)
    counter = Counter(detector, monkeypatch)
    plain, rows = analyze(evidence, detector), counter.taken()
    (good, *_) = cut_off(evidence, detector, 1)
    flipped = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(0, len(good), len(good) // 20)]
    damaged = [b"", b"PK\x03\x04", good[:-10], good[:40], good + b"x", good[10:], *flipped]
    counter.taken()
    assert facts(analyze(evidence, detector, resume=damaged)) == facts(plain)
    assert counter.taken() == rows


def test_a_chunk_is_never_a_pickle(make, tmp_path):
    detector, evidence = make("SequenceDetector", batch_size=2), media("ramp", tmp_path)
    payload = cut_off(evidence, detector, 1)[0][64:]
    (tmp_path / "chunk.npz").write_bytes(payload)
    with np.load(tmp_path / "chunk.npz", allow_pickle=False) as arrays:
        assert {arrays[name].dtype.kind for name in arrays.files} <= {"u", "f"}


def test_without_haste_there_is_one_chunk_a_pass(make, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "EVERY_S", 1000.0)
    written: list[bytes] = []
    analyze(media("ramp", tmp_path), make("BrightnessDetector", batch_size=1, sparse=4), on_chunk=written.append)
    assert len(written) == 2
