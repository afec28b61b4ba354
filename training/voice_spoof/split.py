"""Who learns, who tunes, who tests: speakers, systems and languages are on one side each."""

from __future__ import annotations

import numpy as np

from training.voice_spoof.corpora import ASTERISK, DEMOS, LIBRISPEECH, LIBRITTS, TORTOISE
from training.voice_spoof.engines import ENGINES
from training.voice_spoof.index import Recording

SIDES = ("train", "val", "test")

LIBRISPEECH_SIDE = {**dict.fromkeys(range(7), "train"), 7: "val", 8: "test", 9: "test"}
"""By the last digit of the recording's number; each is of another speaker. The neural vocoders learn from 0 to 6 too."""

ASTERISK_SIDE = {"en": "train", "es": "train", "fr": "train", "it": "val", "ru": "test"}
"""English and Spanish are one woman. Italian and Russian are never learned from: not here, and of no engine."""

LIBRITTS_SHARES = {"train": 0.5, "val": 0.1, "test": 0.4}
"""Of voices, drawn by the seed. It costs half of the synthetic recordings: a system's and its voice's side must agree."""

TABLE_E = "libritts_e"
"""Voices of the page's last table: no person of them is there to hear, and only two systems of the validation speak."""

SYSTEM_SIDE = {
    # The page's own family: E1, its teacher, and the two resyntheses through their decoders.
    **dict.fromkeys(("e1tts", "ardit_dmd_b1", "token_reconstruct_dmd", "mel_reconstruct"), "train"),
    # Style diffusion; masked flow matching; and two that speak codec tokens.
    **dict.fromkeys(("styletts2", "voicebox", "uniaudio", "valle"), "train"),
    # One laboratory, one mel autoencoder.
    **dict.fromkeys(("clamtts", "ditto"), "val"),
    # Microsoft's latent diffusion, and FlashSpeech, built on its codec; MegaTTS 2; a token LM with flow matching.
    **dict.fromkeys(("ns2", "ns3", "flash_speech", "megatts2", "cosyvoice"), "test"),
}
"""Of the 16 systems beside LibriTTS. Relatives are together."""

ENGINE_SIDE = {"flite": "train", "festival": "train", "espeak": "test"}
"""A whole engine is left out: eSpeak NG, the only one that makes sound by formants. Flite and Festival share voices."""

HELD_LANGUAGES = {"it": "val", "ru": "test"}
"""Of engines: voices of these languages are on this side, not their engine's; but a test engine stays where it is."""

TEST_COPIES = ("subpixel",)
"""Copies that are only tested, whoever spoke: a vocoder family, in all its states, of which nothing is learned."""


def split(index: list[Recording], seed: int) -> dict[str, list[Recording]]:
    """The rows of each side, in their order. Copies go where their origin goes. Rows whose system and whose speaker
    belong to different sides are on none."""
    sides = libritts_sides({row.speaker for row in index if row.corpus == LIBRITTS}, seed)
    found: dict[str, list[Recording]] = {side: [] for side in SIDES}
    for row in index:
        by_speaker, by_system = _speaker_side(row, sides), _system_side(row)
        if by_system in (None, by_speaker):
            found[by_speaker].append(row)
    return found


def libritts_sides(speakers: set[str], seed: int) -> dict[str, str]:
    """A side for each voice of the page. All of table e are for validation, beside the shares that are drawn."""
    drawn = sorted(speaker for speaker in speakers if not speaker.startswith(TABLE_E))
    train, val = (round(LIBRITTS_SHARES[side] * len(drawn)) for side in ("train", "val"))
    order = ["train"] * train + ["val"] * val + ["test"] * (len(drawn) - train - val)
    drawn = np.random.default_rng(seed).permutation(drawn).tolist()
    return {**dict.fromkeys(speakers, "val"), **dict(zip(drawn, order, strict=True))}


def _speaker_side(row: Recording, libritts: dict[str, str]) -> str:
    if row.corpus == LIBRITTS:
        return libritts[row.speaker]
    if row.corpus == LIBRISPEECH:
        return LIBRISPEECH_SIDE[int(row.speaker[-1])]
    if row.corpus == ASTERISK:
        return ASTERISK_SIDE[row.language]
    assert row.corpus == ENGINES, row.corpus
    own = ENGINE_SIDE[row.system]
    return own if own == "test" else HELD_LANGUAGES.get(row.language, own)


def _system_side(row: Recording) -> str | None:
    """The side that a system asks for; none where any will do."""
    if row.system.startswith(TEST_COPIES):
        return "test"
    return SYSTEM_SIDE.get(row.system) if row.corpus == LIBRITTS else None


SECOND_SYSTEMS = SYSTEM_SIDE | {
    # GAN vocoders, diffusion, flow and Transformers, published in repositories.
    **dict.fromkeys(("diffgan-tts", "fastspeech2+hifigan", "portaspeech", "transformer-tts"), "train"),
    "festival-read": "train",
    "stylespeech": "val",
    # An autoregressive model with a diffusion decoder, and what its repository compares it with.
    **dict.fromkeys(("tortoise", "tacotron2", "naturalspeech"), "test"),
    # Formants; units; a linear predictor.
    **dict.fromkeys(("espeak-read", "flite", "lpc"), "test"),
}
"""Of VOICE-SPOOF-LITE-V2. Copies and readings that are not named go where their words are."""


def second_split(index: list[Recording], seed: int) -> dict[str, list[Recording]]:
    """As `split`, for VOICE-SPOOF-LITE-V2: eight kinds of systems are for test alone. A reading shares the side of the
    recording whose words it says. Of the engines only Festival in languages that nobody else reads: their sentences are few."""
    sides = libritts_sides({row.speaker for row in index if row.corpus == LIBRITTS}, seed)
    found: dict[str, list[Recording]] = {side: [] for side in SIDES}
    for row in index:
        by_speaker = _second_speaker_side(row, sides)
        if by_speaker and SECOND_SYSTEMS.get(row.system, by_speaker) == by_speaker:
            found[by_speaker].append(row)
    return found


def _second_speaker_side(row: Recording, libritts: dict[str, str]) -> str | None:
    if row.corpus == TORTOISE:
        return "test"
    if row.corpus == DEMOS:
        return "val" if row.speaker.removeprefix(f"{DEMOS}_") in STYLESPEECH else "train"
    if row.corpus == ENGINES:
        return "train" if row.system == "festival" and row.language not in {"en", *HELD_LANGUAGES} else None
    return _speaker_side(row, libritts)


STYLESPEECH = frozenset("012345")
"""The voices of one of the demonstrations, beside the people they copy."""
