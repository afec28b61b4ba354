"""Run as a program: a server's worker without its page, until it is killed. Arguments: folder of detectors, database."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from detector_kit import BRIGHTNESS, LOUDNESS, dropped_in
from gated_detector import GATED

from drishtiksha.registry import ModelManager
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import load_settings


def main() -> None:
    folder, url = Path(sys.argv[1]), sys.argv[2] or None
    with dropped_in(folder, brightness=BRIGHTNESS, loudness=LOUDNESS, gated=GATED):
        settings = load_settings(database_url=url)
        Workbench(settings, ModelManager(settings)).start()
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main()
