"""What the page says of a failure, and the guard that every handler of every tab stands behind."""

from __future__ import annotations

import inspect
import logging
import secrets
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar, cast

from drishtiksha.errors import DrishtikshaError, without_server_paths

log = logging.getLogger(__name__)

Handler = TypeVar("Handler", bound=Callable[..., Any])


def guarded(shown: Callable[[Exception], Any]) -> Callable[[Handler], Handler]:
    """Whatever a handler raises becomes `shown(error)`: its answer, or the last one of a stream. `failure_line` tells it."""

    def around(handler: Handler) -> Handler:
        @wraps(handler)
        def answer(*args: Any, **kwargs: Any) -> Any:
            try:
                return handler(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - shown to the user, and logged by `failure_sentence`
                return shown(error)

        @wraps(handler)
        def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                yield from handler(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - shown to the user, and logged by `failure_sentence`
                yield shown(error)

        return cast(Handler, stream if inspect.isgeneratorfunction(handler) else answer)

    return around


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
