"""What the page says of a failure."""

from __future__ import annotations

import logging
import secrets

from drishtiksha.errors import DrishtikshaError, without_server_paths

log = logging.getLogger(__name__)


def failure_sentence(error: BaseException) -> tuple[str, str | None]:
    """What to tell the user, and a reference into the log for what nobody foresaw."""
    if isinstance(error, DrishtikshaError):
        return without_server_paths(str(error)), None
    reference = secrets.token_hex(4)
    log.error("unexpected failure, reference %s", reference, exc_info=error)
    return (
        "Something failed that should not have. The file was not judged. Please report it with the reference.",
        reference,
    )


def failure_line(error: BaseException) -> str:
    """The same in one line, the reference in brackets."""
    sentence, reference = failure_sentence(error)
    return f"{sentence} ({reference})" if reference else sentence
