"""Puts into the wheel what lies beside the package in the repository; everything else stands in pyproject.toml.

The places stay the same under `drishtiksha/shipped`, where `drishtiksha.settings.ROOT` finds them when installed.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
PATTERNS = (
    "configs/config.yaml",
    "configs/detectors.json",
    "assets/*.jpg",
    "assets/*.mp4",
    "assets/examples/*.json",
    "assets/README.md",
    "models/README.md",
    "models/*.tflite",
)


def shipped() -> list[Path]:
    """Files to ship, relative to the repository; of the models only those with a sidecar, not what was downloaded."""
    files = {path for pattern in PATTERNS for path in HERE.glob(pattern)}
    for sidecar in HERE.glob("models/[!.]*.json"):
        files |= {sidecar, *(sidecar.with_suffix(suffix) for suffix in (".safetensors", ".md"))}
    return sorted(path.relative_to(HERE) for path in files if path.is_file())


class BuildWithShipped(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:  # the repository itself is used then
            return
        for file in shipped():
            target = Path(self.build_lib, "drishtiksha", "shipped", file)
            self.mkpath(str(target.parent))
            self.copy_file(str(HERE / file), str(target))

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *map(str, shipped())]  # for the source distribution


setup(cmdclass={"build_py": BuildWithShipped})
