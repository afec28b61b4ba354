"""Several models on one file: decoded once, faces found once, the same results as each alone; nothing left behind."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from detector_kit import BRIGHTNESS, CLIPS, LOUDNESS, SEQUENCE, dropped_in, entry, manager_of, plain_weights
from media_factory import coded_frames, cut_short, speech_like, write_audio, write_video

from drishtiksha.analysis import analyze, faces, shared
from drishtiksha.analysis.shared import SharedMedia
from drishtiksha.analysis.spool import Spool
from drishtiksha.contract import ClipPlan, FaceRequest, FramePlan, SequencePlan
from drishtiksha.errors import AnalysisCancelledError
from drishtiksha.events import CancelToken
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.media import reader
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.video import Frame, iter_frames
from drishtiksha.registry import ModelManager
from drishtiksha.results import AnalysisResult
from drishtiksha.settings import ROOT, MediaLimits, load_settings

LIMITS = MediaLimits()
WITH_SOUND = ROOT / "assets" / "clip_with_sound.mp4"
STREET = ROOT.parent / "shared" / "data" / "clips" / "street_faces_1080p.mp4"


@pytest.fixture(autouse=True)
def temp_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    more = {"brightness": BRIGHTNESS, "loudness": LOUDNESS, "sequence": SEQUENCE, "clips": CLIPS}
    with dropped_in(tmp_path / "more", **more):

        def build(class_name: str, **fields: Any):
            path = tmp_path / f"{class_name}.pt"
            if class_name == "BrightnessDetector":
                plain_weights(path)
            else:
                torch.save({"gain": torch.ones(1)}, path)
            return manager_of({"T": entry(class_name, path, **fields)}, tmp_path, monkeypatch).load_model("T")

        yield build


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many pictures came out of the decoder so far."""
    reports = []
    for name in ("iter_frames", "frames_at"):

        def counted(*args: Any, read: Any, **rest: Any) -> Any:
            stream = read(*args, **rest)
            reports.append(stream.report)
            return stream

        monkeypatch.setattr(reader, name, partial(counted, read=getattr(reader, name)))
    return lambda: sum(report.frames_decoded for report in reports)


def facts(result: AnalysisResult) -> dict[str, Any]:
    told = result.model_dump(exclude={"processing_time", "stage_seconds"})
    del told["provenance"]["started_utc"]
    return told


def video(folder: Path, kind: str) -> Path:
    """A whole file, or one whose frames the decoder cannot all give."""
    if kind == "cut off":
        rng = np.random.default_rng(0)
        noise = [rng.integers(0, 255, (96, 128, 3), dtype=np.uint8) for _ in range(40)]
        return cut_short(write_video(folder / "whole.mkv", noise), folder / "cut.mkv", 0.6)
    if kind == "hole":
        path = write_video(folder / "hole.mp4", coded_frames(40), options={"g": "8"})
        with av.open(str(path)) as container:
            hit = [p for p in container.demux(video=0) if p.size and p.is_keyframe][2]
            start, size = hit.pos, hit.size
        data = bytearray(path.read_bytes())
        data[start : start + size] = bytes(size)
        path.write_bytes(data)
        return path
    if kind == "open group":
        params = "keyint=10:min-keyint=10:open-gop=1:bframes=3:scenecut=0:log-level=error"
        options = {"x265-params": params}
        whole = write_video(folder / "whole.mkv", coded_frames(40), codec="libx265", options=options)
        return from_second_keyframe(whole, folder / "open.mkv")
    return write_video(folder / "whole.mp4", coded_frames(40), options={"g": "8"})


def from_second_keyframe(whole: Path, path: Path) -> Path:
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        key = [place for place, packet in enumerate(packets) if packet.is_keyframe][1]
        for packet in packets[key:]:
            packet.stream = stream
            target.mux(packet)
    return path


def told(frames: Any) -> list[tuple[int, float, bytes]]:
    return [(frame.index, frame.time_s, frame.image.tobytes()) for frame in frames]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["whole", "open group", "hole", "cut off"])
@pytest.mark.parametrize("spool_bytes", [10**9, 10 * 128 * 96 * 3], ids=["all fits", "ten frames fit"])
def test_shared_frames_are_those_of_a_decode_of_ones_own(tmp_path, kind, spool_bytes):
    path = video(tmp_path, kind)
    evidence = Evidence.open(path, LIMITS)
    rng = np.random.default_rng(1)
    asked = [sorted(rng.choice(40, size, replace=False).tolist()) for size in (4, 10, 25, 3, 40, 1)]
    asked += [[0, 1], [0], [2, 20], [17], [16, 18, 39]]
    with SharedMedia(evidence, LIMITS, spool_bytes=spool_bytes) as media:
        media.prepare([SequencePlan(lambda total, part=part: [part]) for part in asked])
        for part in asked:
            own = told(iter_frames(path, part, limits=LIMITS))
            assert told(media.frames(part, far_apart=False)) == own, f"frames {part}"


def test_frames_may_be_changed_by_their_user(tmp_path):
    evidence = Evidence.open(video(tmp_path, "whole"), LIMITS)
    with SharedMedia(evidence, LIMITS) as media:
        media.prepare([FramePlan(None)] * 3)
        for _ in range(3):
            (frame,) = media.frames([5], far_apart=False)
            assert frame.image.max() > 0
            frame.image[:] = 0


@pytest.mark.slow
@pytest.mark.parametrize("clip", [WITH_SOUND, STREET], ids=lambda path: path.stem)
def test_three_models_decode_once_and_answer_as_alone(make, decoded, clip):
    if not clip.is_file():
        pytest.skip(f"{clip} is not on this machine")
    evidence = Evidence.open(clip, LIMITS)
    detectors = [
        make("BrightnessDetector", num_frames=12, sparse=4),
        make("BrightnessDetector", num_frames=7, faces=True),
        make("SequenceDetector"),
    ]
    if evidence.media.has_audio:
        detectors.append(make("ClipsDetector"))
    alone = [analyze(evidence, detector) for detector in detectors]
    before = decoded()
    with SharedMedia(evidence, LIMITS) as media:
        media.prepare([detector.sampling(evidence.media) for detector in detectors])
        together = [analyze(evidence, detector, shared=media) for detector in detectors]
        in_file = len(media.index())
    assert [facts(result) for result in together] == [facts(result) for result in alone]
    assert decoded() - before <= in_file * 1.1, (
        "one pass through the file, and what lies behind the first one's last frame"
    )
    assert before > decoded() - before


@pytest.mark.slow
def test_faces_are_found_once_for_all_that_use_one_finder(make, monkeypatch):
    evidence = Evidence.open(ROOT / "assets" / "clip_silent.mp4", LIMITS)
    found, find = [], BlazeFaceFinder.find
    monkeypatch.setattr(faces, "_finder", faces._finder.__wrapped__)
    monkeypatch.setattr(BlazeFaceFinder, "find", lambda self, frame: (found.append(1), find(self, frame))[1])
    detectors = [make("BrightnessDetector", num_frames=count, faces=True) for count in (5, 9, 9)]
    with SharedMedia(evidence, LIMITS) as media:
        media.prepare([detector.sampling(evidence.media) for detector in detectors])
        results = [analyze(evidence, detector, shared=media) for detector in detectors]
    looked_at = {score.frame_index for result in results for score in result.scores}
    assert len(found) == len(looked_at)


def test_each_request_gets_its_own_choice_of_the_faces_found():
    evidence = Evidence.open(ROOT / "assets" / "portrait.jpg", LIMITS)
    with SharedMedia(evidence, LIMITS) as media:
        frame = media.picture()
        (plain,), _ = media.faces(frame, None, FaceRequest())
        (marked,), _ = media.faces(frame, None, FaceRequest(landmarks=True))
        none, reason = media.faces(frame, None, FaceRequest(min_size=5000))
        (other,), _ = media.faces(frame, None, FaceRequest("mtcnn"))
    assert plain.landmarks is None
    assert marked.landmarks.shape == (68, 2)
    assert marked.box == plain.box
    assert (none, reason.value) == ((), "face_too_small")
    assert other.box != plain.box


def test_sound_is_decoded_once_a_rate_and_a_picture_once(make, monkeypatch, tmp_path):
    reads = []
    for name in ("read_sound", "read_image"):
        read = getattr(reader, name)
        monkeypatch.setattr(
            reader, name, lambda *args, read=read, **rest: (reads.append(args[1:]), read(*args, **rest))[1]
        )
    sound = Evidence.open(write_audio(tmp_path / "a.wav", speech_like(5.0), 16_000), LIMITS)
    listener = make("LoudnessDetector")
    alone = analyze(sound, listener)
    reads.clear()
    with SharedMedia(sound, LIMITS) as media:
        assert facts(analyze(sound, listener, shared=media)) == facts(alone)
        assert facts(analyze(sound, listener, shared=media)) == facts(alone)
        media.sound(16_000)
        media.sound(8_000)
    assert reads == [(8_000,), (16_000,)]
    picture = Evidence.open(ROOT / "assets" / "portrait.jpg", LIMITS)
    looker = make("BrightnessDetector", faces=True)
    alone = analyze(picture, looker)
    reads.clear()
    with SharedMedia(picture, LIMITS) as media:
        assert [facts(analyze(picture, looker, shared=media)) for _ in range(3)] == [facts(alone)] * 3
    assert reads == [()]


def test_much_sound_is_not_kept_at_every_rate(monkeypatch, tmp_path):
    evidence = Evidence.open(write_audio(tmp_path / "a.wav", speech_like(5.0), 16_000), LIMITS)
    monkeypatch.setattr(shared, "SOUND_BYTES", 400_000)
    with SharedMedia(evidence, LIMITS) as media:
        first = media.sound(16_000)
        assert media.sound(16_000) is first
        media.sound(8_000)
        again = media.sound(16_000)
        assert again is not first
        assert np.array_equal(again, first)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_left_behind_even_after_an_error(make, tmp_path, temp_dir):
    evidence = Evidence.open(video(tmp_path, "whole"), LIMITS)
    detector = make("BrightnessDetector", num_frames=20)
    analyze(evidence, detector)
    before = open_files()

    def boom(event: object) -> None:
        if event.progress > 5:
            raise RuntimeError("the reporter broke")

    def broken() -> None:
        with SharedMedia(evidence, LIMITS) as media:
            media.prepare([detector.sampling(evidence.media)] * 2)
            analyze(evidence, detector, boom, shared=media)

    for _ in range(2):
        with SharedMedia(evidence, LIMITS) as media:
            media.prepare([detector.sampling(evidence.media)] * 2)
            analyze(evidence, detector, shared=media)
            assert not list(temp_dir.iterdir()), "no name, so that even a killed process leaves nothing"
            assert open_files() == before + 1
        with pytest.raises(RuntimeError, match="reporter broke"):
            broken()
    assert not list(temp_dir.iterdir())
    assert open_files() == before


def test_cancelling_one_model_leaves_the_frames_for_the_next(make, tmp_path, decoded):
    evidence = Evidence.open(video(tmp_path, "whole"), LIMITS)
    detector, cancel = make("BrightnessDetector", num_frames=None, sparse=1), CancelToken()
    alone = analyze(evidence, detector)
    with SharedMedia(evidence, LIMITS) as media:
        media.prepare([detector.sampling(evidence.media)] * 2)
        with pytest.raises(AnalysisCancelledError):
            analyze(evidence, detector, lambda event: event.progress == 8 and cancel.cancel(), cancel, shared=media)
        assert facts(analyze(evidence, detector, shared=media)) == facts(alone)


def test_the_jobs_own_check_stops_decoding_too(tmp_path):
    evidence, job = Evidence.open(video(tmp_path, "whole"), LIMITS), CancelToken()
    with SharedMedia(evidence, LIMITS, job.check) as media:
        media.index()
        job.cancel()
        with pytest.raises(AnalysisCancelledError):
            list(media.frames([0, 1], far_apart=False))


def test_what_is_of_another_file_is_refused(make, tmp_path):
    one, other = Evidence.open(video(tmp_path, "whole"), LIMITS), Evidence.open(WITH_SOUND, LIMITS)
    with SharedMedia(one, LIMITS) as media, pytest.raises(ValueError, match=r"clip_with_sound\.mp4 is to be"):
        analyze(other, make("BrightnessDetector"), shared=media)


@pytest.mark.slow
def test_memory_stays_small_however_many_frames_wait(tmp_path):
    size = (360, 640)
    clip = write_video(tmp_path / "a.mp4", (np.full((*size, 3), i % 255, np.uint8) for i in range(120)))
    evidence = Evidence.open(clip, LIMITS)
    everything = list(range(120))
    with SharedMedia(evidence, LIMITS) as media:
        media.prepare([FramePlan(count=None), ClipPlan(None, 5)])
        media.index()
        tracemalloc.start()
        for _ in range(2):
            for _ in media.frames(everything, far_apart=False):
                pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 15 * size[0] * size[1] * 3, "a few frames at once, not 120"


def test_frames_wait_only_for_models_that_named_them(tmp_path, monkeypatch):
    evidence = Evidence.open(video(tmp_path, "whole"), LIMITS)
    put, place = [], Spool.put
    monkeypatch.setattr(Spool, "put", lambda self, frame: (put.append(frame.index), place(self, frame))[1])
    with SharedMedia(evidence, LIMITS) as media:
        media.prepare([FramePlan(2), SequencePlan(lambda total: [[0, 5]])])
        assert [frame.index for frame in media.frames([0, 39], far_apart=False)] == [0, 39]
        assert put == [0, 5], "39 is nobody else's"
        assert [frame.index for frame in media.frames([0, 5], far_apart=False)] == [0, 5]
        assert put == [0, 5]


def test_the_spool_keeps_to_its_bound(temp_dir):
    frame = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    spool = Spool(100)
    for i in range(10):
        spool.put(Frame(i, i / 25, frame + i))
    assert [i in spool for i in range(6)] == [True] * 4 + [False] * 2
    assert spool.get(3).time_s == 3 / 25
    assert np.array_equal(spool.get(3).image, frame + 3)
    assert np.array_equal(spool.get(0).image, frame)
    spool.close()
    assert 3 not in spool


def test_the_spool_lies_on_the_disk_of_the_case_and_never_shows_there(tmp_path):
    evidence = Evidence.take(video(tmp_path, "whole"), tmp_path / "cases", LIMITS)
    with SharedMedia(evidence, LIMITS) as media:
        media.prepare([FramePlan(None)] * 2)
        assert len(list(media.frames([1, 2], far_apart=False))) == 2
        places = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert any(place.startswith(str(evidence.case_dir)) and place.endswith("(deleted)") for place in places)
        assert list(evidence.case_dir.iterdir()) == [evidence.path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_costs_time_and_nothing_else(tmp_path, monkeypatch):
    path = video(tmp_path, "whole")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("r+b", buffering=0))  # noqa: SIM115
    with SharedMedia(Evidence.open(path, LIMITS), LIMITS) as media:
        media.prepare([FramePlan(None)] * 2)
        for _ in range(2):
            assert told(media.frames([3, 9], far_apart=False)) == told(iter_frames(path, [3, 9], limits=LIMITS))


@pytest.mark.slow
def test_embedded_models_answer_as_alone():
    manager = ModelManager(load_settings(device="cpu"))
    evidence = Evidence.open(WITH_SOUND, LIMITS)
    names = ["FACE-BLEND-LITE-V1", "VOICE-SPOOF-LITE-V1"]
    detectors = [manager.load_model(name) for name in names]
    alone = [facts(analyze(evidence, detector)) for detector in detectors]
    with SharedMedia(evidence, LIMITS) as media:
        media.prepare([detector.sampling(evidence.media) for detector in detectors])
        assert [facts(analyze(evidence, detector, shared=media)) for detector in detectors] == alone
