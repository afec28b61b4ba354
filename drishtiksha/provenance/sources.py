"""IPTC digital source types, and names that generators of pictures, video and speech put into files."""

from __future__ import annotations

import re

from drishtiksha.results import Grade

MADE = frozenset({"trainedAlgorithmicMedia", "algorithmicMedia", "trainedAlgorithmicData"})
"""Codes of what no camera or microphone took."""
PARTLY_MADE = frozenset({"compositeWithTrainedAlgorithmicMedia", "compositeSynthetic", "algorithmicallyEnhanced"})

SIGNS: dict[str, Grade] = dict.fromkeys(MADE | PARTLY_MADE, Grade.MODERATE) | {"algorithmicallyEnhanced": Grade.WEAK}
"""How much a code says for generation or manipulation, where anybody may have written it."""

SOURCE_TYPES = {
    "trainedAlgorithmicMedia": "made by a generator (a trained model)",
    "trainedAlgorithmicData": "made by a generator (a trained model)",
    "algorithmicMedia": "made by a program, without recorded material",
    "compositeWithTrainedAlgorithmicMedia": "put together with parts made by a generator (a trained model)",
    "compositeSynthetic": "put together with synthetic parts",
    "algorithmicallyEnhanced": "changed by a program",
    "composite": "put together from several sources",
    "compositeCapture": "put together from several recordings",
    "computationalCapture": "taken by a camera that computes from several shots",
    "digitalCapture": "taken by a digital camera or recorder",
    "digitalCreation": "made by a person with a program",
    "dataDrivenMedia": "drawn from data",
    "humanEdits": "edited by a person",
    "minorHumanEdits": "lightly edited by a person",
    "screenCapture": "a picture of a screen",
    "virtualRecording": "a recording of a virtual scene",
    "negativeFilm": "digitised from negative film",
    "positiveFilm": "digitised from positive film",
    "print": "digitised from a print",
    "empty": "nothing yet, an empty canvas",
}
"""Codes of the IPTC list (https://cv.iptc.org/newscodes/digitalsourcetype/) and of the C2PA specification, in words."""

GENERATORS = (
    "Adobe Firefly",
    "Automatic1111",
    "ComfyUI",
    "DALL[^A-Za-z0-9]?E",
    "DreamStudio",
    "ElevenLabs",
    "Fooocus",
    "Google AI",
    "Google Imagen",
    "Google Veo",
    "GPT-4o",
    "Grok",
    "HeyGen",
    "Ideogram",
    "Imagined with AI",
    "InvokeAI",
    "Kling AI",
    "Leonardo\\.Ai",
    "Luma Dream Machine",
    "Made with AI",
    "Midjourney",
    "NovelAI",
    "OpenAI",
    "Pika Labs",
    "Runway",
    "Sora",
    "Stable Diffusion",
    "stable-diffusion-webui",
    "Suno",
    "Synthesia",
    "Udio",
)
"""Names of services and programs, as regular expressions. They count only in fields that name what made a file."""
FACE_CHANGERS = ("DeepFaceLab", "DeepFaceLive", "FaceApp", "FaceFusion", "FaceSwap", "Reface", "Roop")
"""Programs that swap or change faces."""
EDITORS = (
    "Adobe After Effects",
    "Adobe Audition",
    "Adobe Photoshop",
    "Adobe Premiere",
    "Affinity Photo",
    "Audacity",
    "Canva",
    "CapCut",
    "DaVinci Resolve",
    "Final Cut",
    "GIMP",
    "iMovie",
    "InShot",
    "Kdenlive",
    "KineMaster",
    "Lightroom",
    "Paint\\.NET",
    "Photopea",
    "PicsArt",
    "Pixelmator",
    "Shotcut",
    "Snapseed",
)
"""Programs in which people edit pictures, video and sound."""


def source_code(value: str) -> str | None:
    """The code in a digital source type, given as an address or bare; None when it is none of the known ones."""
    code = value.strip().rstrip("/").rpartition("/")[2]
    return code if code in SOURCE_TYPES else None


def named(names: tuple[str, ...], text: str) -> str | None:
    """The first of `names` that stands in `text` as words of its own, as it is written there."""
    for name in names:
        found = re.search(rf"(?<![A-Za-z0-9]){name}(?![A-Za-z0-9])", text, re.IGNORECASE)
        if found:
            return found.group()
    return None
