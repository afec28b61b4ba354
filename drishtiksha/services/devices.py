"""Which configured devices are one and the same: each real device has one worker.

Run as a program it groups the names that it is given, for a process that must not import torch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import drishtiksha
from drishtiksha.errors import ConfigError, DrishtikshaError

ASK_S = 300.0
"""How long the short program may take: a cold disk reads torch slowly."""


def by_device(names: Iterable[str]) -> list[list[str]]:
    """The names, those of one device together: "auto" is one of the others too. Imports torch where there are several."""
    known = sorted(set(names))
    if len(known) < 2:
        return [known] if known else []
    from drishtiksha.detectors.device import resolve_device

    groups: dict[str, list[str]] = {}
    for name in known:
        try:
            real = str(resolve_device(name))
        except ConfigError:  # its models say so when they are loaded
            real = name
        groups.setdefault(real, []).append(name)
    return list(groups.values())


def by_device_elsewhere(names: Iterable[str]) -> list[list[str]]:
    """The same, without torch in this process. Raises: DrishtikshaError where that cannot be told."""
    known = sorted(set(names))
    if len(known) < 2:
        return by_device(known)
    command = [sys.executable, "-P", "-m", __name__, *known]
    try:
        ran = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=ASK_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise DrishtikshaError("The devices of this machine cannot be told: asking for them took too long.") from error
    if ran.returncode:
        last = ran.stderr.strip().splitlines()[-1:] or [f"exit code {ran.returncode}"]
        raise DrishtikshaError(f"The devices of this machine cannot be told: {last[0]}")
    groups: list[list[str]] = json.loads(ran.stdout.splitlines()[-1])
    return groups


def environment() -> dict[str, str]:
    """What a Python process of ours is started with, so that it finds this package wherever it was started from."""
    own = str(Path(drishtiksha.__file__).resolve().parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [own, os.environ.get("PYTHONPATH", "")]))}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(by_device(sys.argv[1:])) + "\n")
