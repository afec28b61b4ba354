"""`drishtiksha ...` with the slow detector dropped in: LAUNCHER folder-of-detectors arguments..."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from detector_kit import BRIGHTNESS, dropped_in  # noqa: E402
from server_kit import SLOWNESS  # noqa: E402

from drishtiksha.cli import main  # noqa: E402

if __name__ == "__main__":
    folder = Path(sys.argv.pop(1))
    with dropped_in(folder, brightness=BRIGHTNESS, slowness=SLOWNESS):
        main()
