"""The process that takes files in: it copies and hashes them, reads what they are and what they say of themselves, and decodes
what is shown of them, so that a file in which a decoder crashes costs the server nothing. `services.processes` starts it, and tells it what to do."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from drishtiksha.media.evidence import Evidence
from drishtiksha.provenance import examine
from drishtiksha.results import MediaInfo
from drishtiksha.services.apart import Apart
from drishtiksha.services.folders import copied
from drishtiksha.services.lines import answer
from drishtiksha.services.worker import must_end, settle_in
from drishtiksha.services.workers import BEAT_S, Repeated
from drishtiksha.settings import Settings

NICENESS = 5
"""Whoever asks the page waits for an answer; who sends a file waits for it before the jobs of others."""


def main() -> None:
    """Work until the supervisor closes the pipe, or dies."""
    settings, lines, _ = settle_in(NICENESS)
    lines.send(worker=f"taking:{os.getpid()}")
    waiting: set[int] = set()

    def live() -> None:
        lines.send(loaded={})
        if must_end(len(waiting)):
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
