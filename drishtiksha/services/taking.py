"""The process that takes files in: it copies and hashes them, reads what they are and what they say of themselves, and decodes
what is shown of them, so that a file in which a decoder crashes costs the server nothing. `services.processes` starts it, and tells it what to do."""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path
from typing import Any

from drishtiksha.media.evidence import Evidence
from drishtiksha.media.guard import astray_s
from drishtiksha.provenance import examine
from drishtiksha.results import MediaInfo
from drishtiksha.services.apart import Apart
from drishtiksha.services.folders import copied
from drishtiksha.services.lines import answer
from drishtiksha.services.worker import settle_in
from drishtiksha.services.workers import BEAT_S, Repeated
from drishtiksha.settings import Settings

ASTRAY_S, SPARED_S = 120.0, 10.0
"""How long a decoder that was given up may work on while somebody waits for an answer of this process, and while nobody does."""

NICENESS = 5
"""Whoever asks the page waits for an answer; who sends a file waits for it before the jobs of others."""

log = logging.getLogger(__name__)


def main() -> None:
    """Work until the supervisor closes the pipe, or dies."""
    settings, lines, _ = settle_in(NICENESS)
    lines.send(worker=f"taking:{os.getpid()}")
    waiting: set[int] = set()

    def live() -> None:
        lines.send(loaded={})
        if must_end(astray_s(), len(waiting)):
            log.warning("A decoder that was given up does not end; the process that takes files in is started again")
            os._exit(0)

    Repeated([("signs of life", live, BEAT_S)]).start()
    apart = Apart(settings)
    for message in lines.received():
        waiting.add(message["id"])
        answer(
            lines,
            message["id"],
            lambda asked=message: _done(asked, settings, apart),  # type: ignore[misc]
            partial(waiting.discard, message["id"]),
        )


def must_end(since_s: float, waiting: int) -> bool:
    """Whether this process is to end, since a decoder that was given up does not. since_s: as `astray_s`. waiting: how many wait for
    an answer; after `ASTRAY_S` they are asked for once more in the next process."""
    return since_s > (ASTRAY_S if waiting else SPARED_S)


def _done(asked: dict[str, Any], settings: Settings, apart: Apart) -> Any:
    if asked["do"] == "copy":
        evidence = copied(Path(asked["upload"]), asked["called"], settings)
        return {"path": str(evidence.path), "media": evidence.media.model_dump(mode="json")}
    evidence = Evidence(Path(asked["path"]), MediaInfo.model_validate(asked["media"]))
    if asked["do"] == "apart":
        return apart.do(asked["task"], evidence, **asked["given"])
    return examine(evidence, settings.limits).model_dump(mode="json")


if __name__ == "__main__":
    main()
