"""What it takes to repeat a run."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from drishtiksha import __version__

LIBRARIES = ("torch", "timm", "transformers", "numpy", "opencv-python-headless", "av", "pillow", "soxr")
"""Those whose version can change a score."""


@cache
def library_versions() -> dict[str, str]:
    """Name to version, of the tool, Python and every library here that is installed."""
    versions = {"drishtiksha": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
