"""What pictures, videos and recordings say of themselves."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from media_factory import coded_frames, tone, write_audio, write_video
from PIL import Image, PngImagePlugin

from drishtiksha.casefile import Provenance
from drishtiksha.provenance.fields import MAX_FIELDS, MAX_VALUE, Fields, clean
from drishtiksha.provenance.says import metadata_findings
from drishtiksha.provenance.xmp import read_xmp

XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:ext="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmp:CreatorTool="Adobe Photoshop 26.1" '
    'ext:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{code}">'
    "<dc:creator><rdf:Seq><rdf:li>A. Person</rdf:li><rdf:li>B. Person</rdf:li></rdf:Seq></dc:creator>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def notable(found: Provenance) -> list[str]:
    return [finding.title for finding in found.findings if finding.notable]


def titles(found: Provenance) -> list[str]:
    return [finding.title for finding in found.findings]


def exif_of(values: dict[int, object], taken: str | None = None, gps: dict[int, object] | None = None) -> Image.Exif:
    exif = Image.Exif()
    for tag, value in values.items():
        exif[tag] = value
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    if gps:
        exif.get_ifd(0x8825).update(gps)
    return exif


def test_camera_place_and_date_of_a_photograph(scene, tmp_path, look):
    gps = {1: "N", 2: (48.0, 51.0, 29.6), 3: "E", 4: (2.0, 17.0, 40.2)}
    exif = exif_of({0x010F: "Nikon", 0x0110: "Z 6_2", 0x0112: 6}, "2026:03:01 10:20:30", gps)
    scene.save(tmp_path / "p.jpg", exif=exif, quality=90)
    found = look(tmp_path / "p.jpg")
    assert "It names a camera: Nikon Z 6_2" in titles(found)
    assert "It says where it was taken" in titles(found)
    camera = next(finding for finding in found.findings if "camera" in finding.title)
    assert "2026:03:01 10:20:30" in camera.detail
    assert found.fields["EXIF Make"] == "Nikon"
    assert found.fields["EXIF Orientation"] == "6"
    assert found.fields["GPS GPSLatitude"] == "48.0, 51.0, 29.6"
    assert notable(found) == []


def test_a_photograph_without_notes_says_that_this_tells_nothing(scene, tmp_path, look):
    scene.save(tmp_path / "p.png")
    found = look(tmp_path / "p.png")
    assert titles(found) == ["It does not say where it comes from"]
    assert found.findings[0].tells.startswith("Nothing.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("parameters", "portrait of a minister\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Model: sdxl"),
        ("workflow", json.dumps({"nodes": [{"type": "KSampler"}]})),
        ("prompt", json.dumps({"3": {"class_type": "KSampler"}})),
        ("Comment", "a cat, Steps: 30, Seed: 5, Sampler: DPM++ 2M"),
    ],
)
def test_settings_of_a_generator_in_a_png(key, text, scene, tmp_path, look):
    info = PngImagePlugin.PngInfo()
    info.add_text(key, text)
    scene.save(tmp_path / "p.png", pnginfo=info)
    found = look(tmp_path / "p.png")
    assert notable(found) == ["It carries the settings of a picture generator"]
    assert found.fields[f"PNG {key}"].startswith(text[:8])


def test_settings_of_a_generator_in_the_comment_of_a_jpeg(scene, tmp_path, look):
    text = "a cat\nSteps: 20, Sampler: Euler a, Seed: 1"
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")
    scene.save(tmp_path / "p.jpg", exif=exif)
    found = look(tmp_path / "p.jpg")
    assert notable(found) == ["It carries the settings of a picture generator"]
    assert found.fields["EXIF UserComment"] == "a cat Steps: 20, Sampler: Euler a, Seed: 1"


@pytest.mark.parametrize(
    ("software", "title"),
    [
        ("Midjourney v7", "It names a generator: Midjourney"),
        ("DALL·E 3".encode(), "It names a generator: DALL·E"),
        ("FaceApp 12", "It names a program that changes faces: FaceApp"),
    ],
)
def test_names_of_generators_and_face_changers_are_notable(software, title, scene, tmp_path, look):
    scene.save(tmp_path / "p.jpg", exif=exif_of({0x0131: software}))
    assert notable(look(tmp_path / "p.jpg")) == [title]


@pytest.mark.parametrize("software", ["Sorabji Scanner", "grokking 1.0", "Runwayed"])
def test_parts_of_words_are_no_names(software, scene, tmp_path, look):
    scene.save(tmp_path / "p.jpg", exif=exif_of({0x0131: software}))
    assert notable(look(tmp_path / "p.jpg")) == []


def test_an_editing_program_is_not_held_against_a_picture(scene, tmp_path, look):
    scene.save(tmp_path / "p.jpg", exif=exif_of({0x0131: "Adobe Photoshop 26.1 (Windows)"}))
    found = look(tmp_path / "p.jpg")
    editor = next(finding for finding in found.findings if "Photoshop" in finding.title)
    assert not editor.notable
    assert "says nothing about manipulation" in editor.tells


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "is_notable"),
    [("trainedAlgorithmicMedia", True), ("compositeWithTrainedAlgorithmicMedia", True), ("digitalCapture", False)],
)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_the_digital_source_type_in_xmp(code, is_notable, suffix, scene, tmp_path, look):
    path, packet = tmp_path / f"p.{suffix}", XMP.format(code=code)
    if suffix == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet)
        scene.save(path, pnginfo=info)
    else:
        scene.save(path, xmp=packet.encode())
    found = look(path)
    assert found.fields["XMP xmp:CreatorTool"] == "Adobe Photoshop 26.1"
    assert found.fields["XMP dc:creator"] == "A. Person"
    assert found.fields["XMP dc:creator (2)"] == "B. Person"
    claim = next(finding for finding in found.findings if code in finding.detail)
    assert claim.notable is is_notable


@pytest.mark.parametrize(("label", "says"), [("1", "was generated"), ("2", "may have been"), ("3", "is suspected")])
def test_the_chinese_label_of_generated_content(label, says, scene, tmp_path, look):
    value = json.dumps({"Label": label, "ContentProducer": "001", "ProduceID": "x"})
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/">'
        f"<TC260:AIGC>{value}</TC260:AIGC></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    scene.save(tmp_path / "p.jpg", xmp=packet.encode())
    found = look(tmp_path / "p.jpg")
    assert notable(found) == ["It carries the Chinese label of generated content"]
    assert says in next(finding.detail for finding in found.findings if finding.notable)
    assert found.fields["XMP TC260:AIGC"] == value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-16", "cp037"])
def test_xmp_with_entities_is_not_parsed(encoding):
    declared = '<?xml version="1.0" encoding="cp037"?>'.encode("ascii") if encoding == "cp037" else b""
    type_of_it = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    fields = Fields()
    assert not read_xmp(declared + f"{type_of_it}<x><y>&b;</y></x>".encode(encoding), fields)
    assert not read_xmp(declared + "<x><y></x>".encode(encoding), fields)
    assert not len(fields)
    if encoding in ("utf-8", "utf-16"):  # the others begin as no XML does
        assert read_xmp(declared + "<x><y>aaaa</y></x>".encode(encoding), fields)
        assert fields.as_dict() == {"XMP y": "aaaa"}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_blocks_become_findings(scene, tmp_path, look):
    scene.save(tmp_path / "p.jpg", exif=b"Exif\0\0MM\0*\0\0\xff\xff" + b"\xff" * 40, xmp=b"<x><broken")
    found = look(tmp_path / "p.jpg")
    assert {"Its EXIF block cannot be read", "Its XMP block cannot be read"} <= set(titles(found))


def test_fields_are_bounded_and_without_control_characters(scene, tmp_path, look):
    info = PngImagePlugin.PngInfo()
    for number in range(400):
        info.add_text(f"key{number}", f"value {number} \x1b[31m\u202e" + "y" * 3000)
    scene.save(tmp_path / "p.png", pnginfo=info)
    fields = look(tmp_path / "p.png").fields
    assert len(fields) == MAX_FIELDS + 1
    assert fields["Further fields"] == "150 left out"
    assert all(len(value) <= MAX_VALUE for value in fields.values())
    assert not any("\x1b" in value or "\u202e" in value for value in fields.values())


def test_bytes_are_text_only_where_they_are_text():
    assert clean(b"ASCII text\0\0") == "ASCII text"
    assert clean(bytes(range(128, 228))) == "(100 bytes)"
    assert clean(b"\0\0") == ""


def test_iptc_marks_of_a_service(scene, tmp_path, look):
    note = b"FBMD0123456789"
    record = b"\x1c\x02\x28" + len(note).to_bytes(2, "big") + note
    block = b"8BIM\x04\x04\0\0" + len(record).to_bytes(4, "big") + record + b"\0" * (len(record) % 2)
    segment = b"Photoshop 3.0\0" + block
    scene.save(tmp_path / "p.jpg")
    data = (tmp_path / "p.jpg").read_bytes()
    marker = b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment
    (tmp_path / "p.jpg").write_bytes(data[:2] + marker + data[2:])
    found = look(tmp_path / "p.jpg")
    assert "It was handed out by Facebook or Instagram" in titles(found)
    assert found.fields["IPTC special instructions"] == note.decode()


NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("taken", "changed", "said"),
    [
        ("2026:05:01 10:00:00", "2026:05:02 10:00:00", None),
        ("2026:05:01 10:00:00", "2026:04:01 10:00:00", "before it was taken"),
        ("2031:05:01 10:00:00", None, "lies in the future"),
        ("0000:00:00 00:00:00", "2026:04:01 10:00:00", None),
        ("1904-01-01T00:00:00.000000Z", None, None),
        ("yesterday", "2026:13:45 99:00:00", None),
    ],
)
def test_dates_that_cannot_be(taken, changed, said):
    fields = Fields()
    fields.add("EXIF DateTimeOriginal", taken)
    fields.add("EXIF DateTime", changed)
    details = [finding.detail for finding in metadata_findings(fields, NOW)]
    assert [said in detail for detail in details] == ([] if said is None else [True])


def test_notes_of_a_video(tmp_path, look):
    notes = {"make": "Fairphone", "model": "FP5", "location": "+48.8582+002.2945/", "comment": "made with Runway"}
    clip = write_video(tmp_path / "clip.mov", coded_frames(12), metadata=notes)
    found = look(clip)
    assert "It names a camera: Fairphone FP5" in titles(found)
    assert "It says where it was taken" in titles(found)
    assert notable(found) == ["It names a generator: Runway"]
    assert found.fields["Stream 1 (video) codec"].startswith("h264")


def test_notes_of_a_recording(tmp_path, look):
    found = look(write_audio(tmp_path / "speech.mp3", tone(1), 16_000))
    assert "It was written by FFmpeg (packing)" in " ".join(titles(found))
    assert found.fields["Stream 1 (audio) codec"].startswith("mp3")
