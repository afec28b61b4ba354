"""Which kind of host this is: a Hugging Face Space, one with ZeroGPU, or a machine of one's own."""

from __future__ import annotations

import os
from pathlib import Path

SPACE_VOLUME = Path("/data")
"""Where a Space mounts its persistent storage, when it has any."""


def on_space() -> bool:
    """Whether this is a Hugging Face Space, whose visitors are strangers and whose page stands in a frame of another site."""
    return "SPACE_ID" in os.environ


def on_zero_gpu() -> bool:
    """Whether a GPU is lent to single calls only: this process itself must not use CUDA."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def kept_on_space() -> Path:
    """The folder of a Space for cases and downloaded weights: on its persistent storage where that is mounted, else in the home
    folder, which is lost when the Space sleeps. The checkout itself may be read-only."""
    volume = SPACE_VOLUME if os.access(SPACE_VOLUME, os.W_OK | os.X_OK) else Path.home()
    return volume / "drishtiksha"
