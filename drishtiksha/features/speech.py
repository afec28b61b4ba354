"""Where somebody speaks in a recording, by Silero VAD. Torch is imported when the network is loaded."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import soxr

from drishtiksha.settings import EMBEDDED_DIR
from drishtiksha.weights import load_into, load_state_dict, read_sidecar, verify

if TYPE_CHECKING:
    from drishtiksha.networks.silero_vad import SileroVAD

MODEL_FILE = "silero_vad.safetensors"
FRAME_S = 0.032
"""What one probability speaks of, s."""
SPEECH_FROM, SPEECH_UNTIL = 0.5, 0.35
"""Speech begins where the probability reaches the first and goes on while it is not below the second; the defaults of Silero."""
MIN_SPEECH_S, MIN_PAUSE_S = 0.25, 0.1
"""Shorter speech is dropped, shorter pauses belong to the speech around them; the defaults of Silero."""
FRAMES_AT_A_TIME = 1024
"""Bounds the memory for long recordings."""


def speech_probability(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """How probable speech is in each 32 ms of a mono waveform, float32 (n,) in [-1, 1]: float32 (frames,) in [0, 1].

    The last frame is filled up with silence. Raises: WeightsMissingError or WeightsMismatchError without the network.
    """
    import torch

    from drishtiksha.networks.silero_vad import CONTEXT, FRAME, SAMPLE_RATE

    if not len(waveform):
        return np.zeros(0, np.float32)
    if sample_rate != SAMPLE_RATE:
        waveform = soxr.resample(waveform, sample_rate, SAMPLE_RATE)
    count = -(-len(waveform) // FRAME)
    samples = torch.zeros(CONTEXT + count * FRAME)
    samples[CONTEXT : CONTEXT + len(waveform)] = torch.from_numpy(np.ascontiguousarray(waveform, dtype=np.float32))
    network, state, found = _network(), None, []
    with torch.inference_mode():
        for part in samples.unfold(0, CONTEXT + FRAME, FRAME).split(FRAMES_AT_A_TIME):
            probabilities, state = network(part, state)
            found.append(probabilities)
    return torch.cat(found).numpy()


def speech_spans(waveform: np.ndarray, sample_rate: int) -> list[tuple[float, float]]:
    """(begin, end) in s of each stretch of speech, in order; pauses of `MIN_PAUSE_S` and more lie between them."""
    length_s = len(waveform) / sample_rate
    spans: list[tuple[float, float]] = []
    begin: float | None = None
    for frame, probability in enumerate([*speech_probability(waveform, sample_rate), 0.0]):
        at = round(frame * FRAME_S, 3)
        if begin is None and probability >= SPEECH_FROM:
            begin = at
        elif begin is not None and probability < SPEECH_UNTIL:
            if spans and begin - spans[-1][1] < MIN_PAUSE_S:
                begin = spans.pop()[0]
            spans.append((begin, min(at, length_s)))
            begin = None
    return [(begin, end) for begin, end in spans if end - begin >= MIN_SPEECH_S]


@cache
def _network() -> SileroVAD:
    """Safe to share between threads: it keeps no state between calls."""
    import torch

    from drishtiksha.networks.silero_vad import SileroVAD

    path = EMBEDDED_DIR / MODEL_FILE
    state_dict = load_state_dict(path, f"Restore it from the repository: git checkout -- models/{MODEL_FILE}")
    if sidecar := read_sidecar(path):
        verify(path, sidecar.sha256)
    with torch.device("meta"):
        network = SileroVAD()
    load_into(network, state_dict, "Silero VAD")
    return network.eval().requires_grad_(False)
