"""Makes assets/examples/ from real runs of the detectors that ship, and a picture for it: `python assets/make_example_cases.py`.

Each file is a finished case without heatmaps; the page builds its answer anew, so that its words are never old.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from PIL import Image

from drishtiksha.casefile import LOCAL
from drishtiksha.registry import ModelManager
from drishtiksha.services.intake import take_in
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT, load_settings

ASSETS = ROOT / "assets"
FAINT = 0.35
"""Share of the altered portrait in the picture that detectors are unsure of."""
IMAGE_DESCRIPTION = 0x010E
TITLES = {
    "portrait_altered.jpg": "A portrait whose face was altered",
    "clip_with_sound.mp4": "A moving portrait with a computer voice",
    "portrait_touched.jpg": "The portrait, its face changed faintly",
    "portrait.jpg": "The portrait as it was taken",
    "no_face.mp4": "A drawn landscape in motion",
}


def main() -> None:
    """Raises: RuntimeError for a file that no job ended on."""
    target = ASSETS / "examples"
    target.mkdir(exist_ok=True)
    exif = Image.Exif()
    exif[IMAGE_DESCRIPTION] = "Altered on purpose, as an example, by Drishtiksha"
    _touched().save(ASSETS / "portrait_touched.jpg", quality=90, exif=exif)
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(data_dir=Path(folder))
        bench = Workbench(settings, ModelManager(settings))
        bench.start()
        try:
            for number, (name, title) in enumerate(TITLES.items(), 1):
                (target / f"{number}-{Path(name).stem}.json").write_text(_case(bench, ASSETS / name, title) + "\n")
        finally:
            bench.stop()


def _touched() -> Image.Image:
    """The untouched portrait with a little of the altered one in it."""
    plain, altered = (Image.open(ASSETS / name).convert("RGB") for name in ("portrait.jpg", "portrait_altered.jpg"))
    return Image.blend(plain, altered, FAINT)


def _case(bench: Workbench, path: Path, title: str) -> str:
    case = take_in(bench, path, path.name, LOCAL, title)
    names = [s.name for s in bench.manager.describe() if s.can_examine(case.media) and s.config.proven]
    if names:
        *_, last = bench.seen_by(LOCAL).watch(case.submit(names))
        if last.errors:
            raise RuntimeError(f"{path.name}: {last.errors}")
    known = case.read()
    results = tuple(result.model_copy(update={"heatmaps": ()}) for result in known.results)
    return known.model_copy(update={"results": results, "case_id": "example"}).model_dump_json(indent=1)


if __name__ == "__main__":
    main()
