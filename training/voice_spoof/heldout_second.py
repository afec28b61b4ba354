"""Recordings that VOICE-SPOOF-LITE-V2 did not learn from, as files that listeners would get."""

from __future__ import annotations

import json
from pathlib import Path

from drishtiksha.errors import WeightsMissingError
from drishtiksha.settings import ROOT
from training.voice_spoof.degrade import MESSENGER
from training.voice_spoof.heldout import DELIVERIES, Delivery, chosen, write_files
from training.voice_spoof.index import read_index

RUN = ROOT / "models/reports/VOICE-SPOOF-LITE-V2/run.json"
REAL_FILES, FAKE_FILES = 15, 6
"""Recordings of each real corpus and language, and of each system."""

UNKNOWN_KINDS = {
    "tortoise": "TorToiSe",
    "tacotron2": "Tacotron 2",
    "naturalspeech": "NaturalSpeech",
    "cosyvoice": "CosyVoice",
    "ns2": "NaturalSpeech 2",
    "ns3": "NaturalSpeech 3",
    "flash_speech": "FlashSpeech",
    "megatts2": "MegaTTS 2",
    "espeak-read": "eSpeak NG",
    "flite": "Flite",
}
"""Systems that neither training nor calibration heard."""

SECOND_DELIVERIES = {
    "clean": DELIVERIES["clean"],
    "message_9k": Delivery(".ogg", "opus_voip", 16_000, 9_000),
    "telephone": DELIVERIES["telephone"],
    "worn": Delivery(".flac", worn=True, more=MESSENGER),
}


def write_heldout(data: Path, out: Path) -> Path:
    """Write the files of the test side that `RUN` lists, and `out`/manifest.csv; returns its path. They come from the cache
    beside `out`.

    Raises: WeightsMissingError where there is none: most of it is made with synthesisers, which only training has.
    """
    index = read_index(out.parent / "cache")
    if not index:
        raise WeightsMissingError(
            f"{out.parent / 'cache'} holds no recordings. Make them: make train DATA={data} MODEL=VOICE-SPOOF-LITE-V2"
        )
    rows = chosen(index, json.loads(RUN.read_text())["split"]["test"])
    return write_files(rows, out.parent / "cache", out, REAL_FILES, FAKE_FILES, SECOND_DELIVERIES)
