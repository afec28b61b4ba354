"""Files behind the end of a picture, as phones and people append them."""

from __future__ import annotations

import io
import itertools
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from media_factory import coded_frames, tone, write_audio, write_video
from PIL import Image

from drishtiksha.media.embedded import embedded_files
from drishtiksha.media.image import read_image
from drishtiksha.media.probe import probe
from drishtiksha.results import MediaInfo, TrackKind
from drishtiksha.settings import MediaLimits

ROWS, COLUMNS = np.mgrid[0:96, 0:128]
PICTURE = np.stack([COLUMNS * 2, ROWS * 2, (ROWS + COLUMNS) % 256], axis=-1).astype(np.uint8)

CONTAINER = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:Container="http://ns.google.com/photos/1.0/container/"
 xmlns:Item="http://ns.google.com/photos/1.0/container/item/" {own}><Container:Directory><rdf:Seq>
<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li>
<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{what}" Item:Mime="{mime}" Item:Length="{size}"/></rdf:li>
</rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"""


def facts(path: Path, limits: MediaLimits) -> MediaInfo:
    return probe(path, path.name, "0" * 64, limits)


def coded(image: np.ndarray, form: str = "JPEG", **options: object) -> bytes:
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, form, **options)
    return stored.getvalue()


def with_thumbnail() -> bytes:
    """A JPEG within whose notes a whole small one lies."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x927C] = coded(PICTURE[::4, ::4]) + coded(PICTURE[::4, ::4])
    return coded(PICTURE, exif=exif)


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("videos")
    return {form: write_video(folder / f"a.{form}", coded_frames(5)).read_bytes() for form in ("mp4", "mkv", "avi")}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("sounds")
    for form in ("wav", "flac"):
        soundfile.write(folder / f"a.{form}", tone(1), 16_000)
    for form in ("mp3", "ogg"):
        write_audio(folder / f"a.{form}", tone(1, 48_000), 48_000, codec="libopus" if form == "ogg" else None)
    return {form: (folder / f"a.{form}").read_bytes() for form in ("wav", "flac", "mp3", "ogg")}


@pytest.mark.parametrize("way", ["offset", "container", "marker"])
def test_the_video_of_a_moving_photo_is_taken_out_whole(tmp_path, limits, videos, way):
    video = videos["mp4"]
    path = tmp_path / "moving.jpg"
    if way == "marker":
        path.write_bytes(coded(PICTURE) + b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + video)
    else:
        own = f'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MicroVideoOffset="{len(video)}"'
        notes = CONTAINER.format(own=own, what="MotionPhoto", mime="video/mp4", size=len(video))
        path.write_bytes(coded(PICTURE, xmp=notes.encode()) + video)
    [track] = facts(path, limits).tracks
    assert (track.kind, track.title) == (TrackKind.EMBEDDED, "video of a moving photo")
    assert embedded_files(path, path.name, limits) == [("moving-embedded.mp4", video)]


@pytest.mark.parametrize("form", ["jpg", "png", "webp", "mkv", "avi", "wav", "flac", "mp3", "ogg"])
@pytest.mark.parametrize("first", ["jpg", "png", "thumbnail"])
def test_what_lies_behind_the_end_of_a_picture_is_named_and_taken_out(tmp_path, limits, videos, sounds, first, form):
    other = np.ascontiguousarray(PICTURE[::-1])
    pictures = {"jpg": coded(other), "png": coded(other, "PNG"), "webp": coded(other, "WEBP")}
    content = (pictures | videos | sounds)[form]
    plain, path = tmp_path / "plain.jpg", tmp_path / "two.jpg"
    plain.write_bytes({"jpg": coded(PICTURE), "png": coded(PICTURE, "PNG"), "thumbnail": with_thumbnail()}[first])
    path.write_bytes(plain.read_bytes() + content)
    [track] = facts(path, limits).tracks
    what = "picture" if form in pictures else "video" if form in videos else "recording"
    assert track.kind is TrackKind.EMBEDDED
    assert f"{what} behind the end" in str(track.title)
    assert embedded_files(path, path.name, limits) == [(f"two-embedded.{form}", content)]
    assert not facts(plain, limits).tracks
    assert np.array_equal(read_image(path, limits=limits), read_image(plain, limits=limits))


def archive() -> bytes:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as packed:
        packed.writestr("inside.jpg", coded(PICTURE))
    return stored.getvalue()


def document() -> bytes:
    stored = io.BytesIO()
    Image.fromarray(PICTURE).save(stored, "PDF")
    return stored.getvalue()


@pytest.mark.parametrize(("form", "what"), [("zip", "an archive (ZIP)"), ("pdf", "a document (PDF)")])
@pytest.mark.parametrize("first", ["JPEG", "PNG", "MPO"])
def test_archives_and_documents_behind_a_picture_are_named(tmp_path, limits, first, form, what):
    content = archive() if form == "zip" else document()
    plain, path = tmp_path / "plain.jpg", tmp_path / "two.jpg"
    if first == "MPO":
        small = [Image.fromarray(PICTURE[::4, ::4])]
        Image.fromarray(PICTURE).save(plain, "MPO", save_all=True, append_images=small)
    else:
        plain.write_bytes(coded(PICTURE, first))
    path.write_bytes(plain.read_bytes() + content)
    [track] = facts(path, limits).tracks
    assert str(track.title).startswith(f"{what} behind the end")
    assert embedded_files(path, path.name, limits) == [(f"two-embedded.{form}", content)]
    assert not facts(plain, limits).tracks


def mpo(path: Path, *others: np.ndarray, kind: int = 0) -> list[bytes]:
    """Store pictures as 3D and dual cameras do; each of them as it lies in the file. kind: of those behind the first."""
    views = [Image.fromarray(np.ascontiguousarray(other)) for other in others]
    Image.fromarray(PICTURE).save(path, "MPO", save_all=True, append_images=views)
    content = bytearray(path.read_bytes())
    begin = content.index(b"MPF\0") + 4
    table = begin + 8 + 2 + 3 * 12 + 4
    found: list[int] = []
    for number in range(1, len(others) + 1):
        entry = table + 16 * number
        content[entry : entry + 4] = kind.to_bytes(4, "little")
        found.append(begin + int.from_bytes(content[entry + 8 : entry + 12], "little"))
    path.write_bytes(content)
    return [bytes(content[start:end]) for start, end in itertools.pairwise([*found, len(content)])]


@pytest.mark.parametrize("kind", [0, 0x020002, 0x020003])
def test_further_views_of_a_camera_are_named_and_taken_out(tmp_path, limits, kind):
    path, plain = tmp_path / "views.jpg", tmp_path / "plain.jpg"
    plain.write_bytes(coded(PICTURE))
    views = mpo(path, PICTURE[::-1], PICTURE[:, ::-1], kind=kind)
    media = facts(path, limits)
    assert [track.number for track in media.tracks] == [1, 2]
    assert all("another view" in str(track.title) for track in media.tracks)
    assert embedded_files(path, path.name, limits) == [
        ("views-embedded.jpg", views[0]),
        ("views-embedded2.jpg", views[1]),
    ]
    taken = tmp_path / "taken.jpg"
    taken.write_bytes(views[1])
    assert np.abs(read_image(taken, limits=limits).astype(int) - PICTURE[:, ::-1]).mean() < 4
    assert np.array_equal(read_image(path, limits=limits), read_image(plain, limits=limits))


def test_a_preview_in_full_size_is_no_further_view(tmp_path, limits):
    path = tmp_path / "preview.jpg"
    mpo(path, PICTURE, kind=0x010002)
    assert not facts(path, limits).tracks


@pytest.mark.parametrize("listed", ["notes", "index"])
def test_a_gain_map_is_no_evidence_of_its_own(tmp_path, limits, listed):
    plain, path = tmp_path / "plain.jpg", tmp_path / "ultra.jpg"
    plain.write_bytes(coded(PICTURE))
    gain = PICTURE[::4, ::4]
    if listed == "notes":
        own = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'
        notes = CONTAINER.format(own=own, what="GainMap", mime="image/jpeg", size=len(coded(gain)))
        path.write_bytes(coded(PICTURE, xmp=notes.encode()) + coded(gain))
    else:
        Image.fromarray(PICTURE).save(path, "MPO", save_all=True, append_images=[Image.fromarray(gain)])
    media = facts(path, limits)
    assert (media.tracks, media.frame_count, media.notes) == ((), 1, ())
    assert np.array_equal(read_image(path, limits=limits), read_image(plain, limits=limits))
