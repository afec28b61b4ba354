"""`drishtiksha tracks` and `predict --track`, on real files."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import speech_like, write_audio
from PIL import Image
from typer.testing import CliRunner

from drishtiksha.cli import app
from drishtiksha.media.evidence import Evidence
from drishtiksha.settings import ROOT, MediaLimits

ASSETS = ROOT / "assets"
CASES = ROOT.parent / "shared" / "cases"


def run(*arguments: object):
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture
def moving_photo(tmp_path: Path) -> Path:
    """As phones store them: a JPEG with a whole MP4 behind it."""
    path = tmp_path / "photo.jpg"
    path.write_bytes((ASSETS / "portrait.jpg").read_bytes() + (ASSETS / "clip_silent.mp4").read_bytes())
    return path


def test_the_video_of_a_moving_photo_is_named_and_can_be_examined(moving_photo, tmp_path):
    told = run("tracks", moving_photo, "--save", tmp_path / "out")
    assert told.exit_code == 0
    assert "video of a moving photo" in told.stdout
    saved = tmp_path / "out" / "photo-embedded.mp4"
    assert saved.read_bytes() == (ASSETS / "clip_silent.mp4").read_bytes()
    assert Evidence.open(saved, MediaLimits()).media.has_video


@pytest.mark.parametrize("name", ["portrait.jpg", "clip_with_sound.mp4"])
def test_ordinary_files_carry_nothing(name):
    assert Evidence.open(ASSETS / name, MediaLimits()).media.tracks == ()
    assert (
        "most one picture" in run("tracks", ASSETS / name).stdout
        or "One picture" in run("tracks", ASSETS / name).stdout
    )


def test_the_cover_of_a_song_is_named_and_can_be_examined(tmp_path):
    sound = write_audio(tmp_path / "plain.mp3", speech_like(2.0, 44_100), 44_100)
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "cover.png")
    song = tmp_path / "song.mp3"
    with (
        av.open(str(song), "w") as output,
        av.open(str(sound)) as source,
        av.open(str(tmp_path / "cover.png")) as cover,
    ):
        tracks = [output.add_stream_from_template(one.streams[0]) for one in (source, cover)]
        tracks[1].disposition = av.stream.Disposition.attached_pic
        for container, stream in ((cover, tracks[1]), (source, tracks[0])):
            for packet in container.demux(container.streams[0]):
                if packet.size:
                    packet.stream = stream
                    output.mux(packet)
    told = run("tracks", song, "--save", tmp_path / "out")
    assert told.exit_code == 0
    assert "cover or attached picture" in told.stdout
    (saved,) = (tmp_path / "out").iterdir()
    assert np.array_equal(np.asarray(Image.open(saved).convert("RGB")), picture)


@pytest.mark.slow
@pytest.mark.skipif(not CASES.is_dir(), reason="needs the files in ../shared/cases")
def test_one_of_several_tracks_is_chosen(tmp_path):
    path = CASES / "a_two_voices.mp4"
    assert "Track 3: sound" in run("tracks", path).stdout
    scores = {}
    for track in (None, 2, 3):
        chosen = () if track is None else ("--track", track)
        told = run("predict", path, "--model", "VOICE-SPOOF-LITE-V1", "--json", tmp_path / "r.json", *chosen)
        assert told.exit_code == 0, told.stdout
        scores[track] = json.loads((tmp_path / "r.json").read_text())["p_fake"]
        assert "Sound track 2" in told.stdout if track is None else True
    assert scores == pytest.approx({None: 0.971, 2: 0.009, 3: 0.971}, abs=0.002)
    missing = run("predict", path, "--model", "VOICE-SPOOF-LITE-V1", "--track", 9)
    assert missing.exit_code == 3
