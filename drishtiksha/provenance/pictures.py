"""The fields of a picture: EXIF, XMP, IPTC and the text chunks of PNG."""

from __future__ import annotations

from PIL import ExifTags, Image, IptcImagePlugin

from drishtiksha.media.image import BROKEN_PICTURE
from drishtiksha.provenance.fields import Fields, clean
from drishtiksha.provenance.xmp import read_xmp

BROKEN_FIELDS = (*BROKEN_PICTURE, AttributeError, ZeroDivisionError)
"""What Pillow raises on damaged metadata; `struct.error` is not among them since Pillow turns it into one of these."""

IFDS = (("EXIF", ExifTags.IFD.Exif), ("GPS", ExifTags.IFD.GPSInfo), ("EXIF thumbnail", ExifTags.IFD.IFD1))
POINTERS = {0x8769, 0x8825, 0xA005, 0x0201, 0x0202, 0x02BC, 0x83BB, 0x8649}
"""Tags that only say where other blocks lie, or hold XMP, IPTC and Photoshop blocks as bytes."""
CHARSETS = {b"ASCII\0\0\0": "latin-1", b"UNICODE\0": "utf-16", b"JIS\0\0\0\0\0": "iso2022_jp", b"\0" * 8: "utf-8"}

IPTC = {
    (2, 5): "title",
    (2, 25): "keywords",
    (2, 40): "special instructions",
    (2, 55): "date created",
    (2, 65): "program",
    (2, 80): "by-line",
    (2, 103): "job reference",
    (2, 105): "headline",
    (2, 110): "credit",
    (2, 115): "source",
    (2, 116): "copyright",
    (2, 120): "caption",
}
XMP_KEYS = ("xmp", "XML:com.adobe.xmp", "Raw profile type xmp")
NOT_TEXT = {
    *XMP_KEYS,
    "exif",
    "icc_profile",
    "photoshop",
    "adobe",
    "jfif",
    "jfif_version",
    "jfif_unit",
    "jfif_density",
}


def read_picture(picture: Image.Image, fields: Fields) -> list[str]:
    """Add all fields of an opened picture. The names of the blocks that are there but cannot be read."""
    broken = []
    for name, read in (("EXIF", _exif), ("XMP", _xmp), ("IPTC", _iptc), ("text", _texts)):
        try:
            readable = read(picture, fields)
        except BROKEN_FIELDS:
            readable = False
        if not readable:
            broken.append(name)
    return broken


def _exif(picture: Image.Image, fields: Fields) -> bool:
    exif = picture.getexif()
    _ifd("EXIF", dict(exif), ExifTags.TAGS, fields)
    for title, ifd in IFDS:
        names = ExifTags.GPSTAGS if ifd is ExifTags.IFD.GPSInfo else ExifTags.TAGS
        _ifd(title, exif.get_ifd(ifd), names, fields)
    return not (picture.info.get("exif") and not len(exif))


def _ifd(title: str, tags: dict[int, object], names: dict[int, str], fields: Fields) -> None:
    for tag, value in tags.items():
        if tag not in POINTERS:
            name = names.get(tag, f"tag {tag:#06x}")
            fields.add(f"{title} {name}", _comment(value) if name == "UserComment" else _utf8(value))


def _utf8(value: object) -> object:
    """EXIF's text is ASCII by the standard and UTF-8 in practice; Pillow takes it for Latin-1."""
    if not isinstance(value, str):
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _comment(value: object) -> object:
    """EXIF's UserComment begins with eight bytes that name its alphabet."""
    if not isinstance(value, bytes):
        return value
    charset = CHARSETS.get(value[:8])
    if charset is None:
        return value
    body = value[8:]
    if charset == "utf-16" and not body.startswith((b"\xff\xfe", b"\xfe\xff")):
        charset = "utf-16-be" if body[:1] == b"\0" else "utf-16-le"
    return body.decode(charset, errors="replace")


def _xmp(picture: Image.Image, fields: Fields) -> bool:
    packet = next((picture.info[key] for key in XMP_KEYS if picture.info.get(key)), None)
    if packet is None and picture.format == "TIFF":
        packet = getattr(picture, "tag_v2", {}).get(700)
    return packet is None or (isinstance(packet, bytes | str) and read_xmp(packet, fields))


def _iptc(picture: Image.Image, fields: Fields) -> bool:
    if picture.format not in ("JPEG", "MPO", "TIFF"):
        return True
    for key, value in (IptcImagePlugin.getiptcinfo(picture) or {}).items():  # type: ignore[arg-type]  # it takes any
        if key in IPTC:
            fields.add(f"IPTC {IPTC[key]}", value)
    return True


def _texts(picture: Image.Image, fields: Fields) -> bool:
    """PNG text chunks and the comments of JPEG and GIF."""
    for key, value in picture.info.items():
        if key not in NOT_TEXT and isinstance(key, str) and isinstance(value, str | bytes):
            title = str(picture.format or "picture")
            fields.add(f"{title} {clean(key, 60)}", value)
    return True
