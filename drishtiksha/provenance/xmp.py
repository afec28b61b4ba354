"""XMP: notes of editing programs, as RDF in XML. Read flat: one field a leaf, named by its place."""

from __future__ import annotations

from xml.etree import ElementTree

from drishtiksha.provenance.fields import Fields

MAX_PACKET = 2_000_000
"""Bytes of XMP that are parsed."""
MAX_DEPTH = 8
UTF_16 = (b"\xff\xfe", b"\xfe\xff")

PREFIXES = {
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/xap/1.0/mm/": "xmpMM",
    "http://ns.adobe.com/xap/1.0/rights/": "xmpRights",
    "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#": "stEvt",
    "http://ns.adobe.com/xap/1.0/sType/ResourceRef#": "stRef",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://ns.adobe.com/camera-raw-settings/1.0/": "crs",
    "http://ns.google.com/photos/1.0/camera/": "GCamera",
    "http://www.tc260.org.cn/ns/AIGC/1.0/": "TC260",
    "http://www.w3.org/XML/1998/namespace": "xml",
}
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
GROUPS = {f"{RDF}{name}" for name in ("RDF", "Description", "Seq", "Bag", "Alt", "li")}
"""Elements that only group: they add nothing to a field's name."""
CAMERA_RAW = "crs:"
"""Hundreds of slider positions of a raw converter: passed over."""


class _Plain(ElementTree.TreeBuilder):
    """Builds no document that declares its type: XMP has none, and with one come entities that could blow it up, whatever the
    encoding that hides them."""

    def doctype(self, *_: str | None) -> None:
        raise ValueError("a document type")


def read_xmp(packet: bytes | str, fields: Fields) -> bool:
    """Add the fields of one XMP packet. False when it cannot be read."""
    data = packet.encode("utf-8", errors="replace") if isinstance(packet, str) else packet
    if len(data) > MAX_PACKET:
        return False
    try:
        parser = ElementTree.XMLParser(target=_Plain())  # noqa: S314 - bounded, and without entities
        parser.feed(data if data.startswith(UTF_16) else data.strip(b"\0 \r\n\t"))
        root = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError):
        return False
    _walk(root, "", fields, 0)
    return True


def _walk(element: ElementTree.Element, place: str, fields: Fields, depth: int) -> None:
    if depth > MAX_DEPTH:
        return
    for key, value in element.attrib.items():
        if not key.startswith((RDF, "{http://www.w3.org/XML/1998/namespace}", "{adobe:ns:meta/}")):
            _add(_joined(place, key), value, fields)
        elif key == f"{RDF}resource":
            _add(place, value, fields)
    if not len(element):
        _add(place, element.text or "", fields)
    for child in element:
        _walk(child, place if child.tag in GROUPS else _joined(place, child.tag), fields, depth + 1)


def _add(place: str, value: str, fields: Fields) -> None:
    if place and not place.startswith(CAMERA_RAW):
        fields.add(f"XMP {place}", value)


def _joined(place: str, tag: str) -> str:
    namespace, _, local = tag.removeprefix("{").rpartition("}")
    prefix = PREFIXES.get(namespace, "")
    name = f"{prefix}:{local}" if prefix else local
    return f"{place}/{name}" if place else name
