"""Files as they come: nothing in them may end in anything but an answer or a sentence."""

from __future__ import annotations

import ast
import contextlib
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from credential_signing import sign, signatory
from media_factory import coded_frames, tone, write_audio, write_video
from PIL import Image, PngImagePlugin

from drishtiksha import provenance
from drishtiksha.casefile import CredentialState, Provenance
from drishtiksha.errors import MediaError
from drishtiksha.provenance import reverse_search_links

ASSETS = Path(__file__).parents[2] / "assets"
TRIES = 10
"""Damaged copies of each file."""


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.[jm]p[g4]")), ids=lambda path: path.name)
def test_the_examples_claim_nothing(path, look):
    found = look(path)
    assert found.credentials is CredentialState.ABSENT
    assert not any(finding.notable for finding in found.findings)
    assert found.fields


def test_what_is_found_round_trips_through_json(look):
    found = look(ASSETS / "clip_with_sound.mp4")
    assert Provenance.model_validate_json(found.model_dump_json()) == found


def rich_files(scene: Image.Image, folder: Path) -> list[Path]:
    """One of each kind, full of metadata."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0131] = "Maker", "Software 1"
    exif.get_ifd(0x8769).update({0x9003: "2026:01:01 00:00:00", 0x9286: b"ASCII\0\0\0words"})
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    xmp = b'<x xmlns:d="http://purl.org/dc/elements/1.1/"><d:creator>Somebody</d:creator></x>'
    small = scene.resize((320, 256))
    small.save(folder / "plain.jpg", exif=exif, xmp=xmp, comment=b"comment")
    sign(folder / "plain.jpg", folder / "p.jpg", "image/jpeg", signatory())
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "Steps: 1, Sampler: x")
    small.save(folder / "p.png", pnginfo=info, exif=exif)
    small.save(folder / "p.webp", exif=exif, xmp=xmp)
    small.save(folder / "p.tiff", exif=exif)
    write_video(folder / "c.mp4", coded_frames(30), audio=(tone(1), 16_000), metadata={"comment": "words"})
    write_video(folder / "c.mkv", coded_frames(30), metadata={"title": "words"})
    write_audio(folder / "s.mp3", tone(1), 16_000)
    write_audio(folder / "s.wav", tone(1), 16_000)
    return sorted(path for path in folder.iterdir() if path.stem != "plain")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_damage_ends_in_an_answer_or_in_a_sentence(scene, tmp_path, look):
    random = np.random.default_rng(3)
    (tmp_path / "whole").mkdir()
    (tmp_path / "damaged").mkdir()
    answers = 0
    for path in rich_files(scene, tmp_path / "whole"):
        data = path.read_bytes()
        for _ in range(TRIES):
            broken = bytearray(data)
            # Metadata stands near the beginning or the end.
            spots = (
                random.integers(0, min(len(data), 3000), 12),
                random.integers(max(0, len(data) - 3000), len(data), 4),
            )
            for place in np.concatenate(spots):
                broken[place] = random.integers(256)
            damaged = tmp_path / "damaged" / path.name
            damaged.write_bytes(broken)
            with contextlib.suppress(MediaError):
                answers += isinstance(look(damaged), Provenance)
    assert answers > TRIES


def test_pages_for_reverse_search_are_addresses_only():
    links = reverse_search_links()
    assert {name for name, _ in links} >= {"TinEye", "Google Lens", "Yandex Images", "Bing Visual Search"}
    assert all(urlsplit(address).scheme == "https" and not urlsplit(address).query for _, address in links)


def test_no_module_knows_how_to_reach_the_network():
    folder = Path(provenance.__file__).parent
    imported = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported |= {name.split(".")[0] for name in names}
    assert imported.isdisjoint({"socket", "urllib", "http", "requests", "httpx", "ssl"})
