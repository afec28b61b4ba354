"""Taking a file in: a case of its own, with what the file says of itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drishtiksha.casefile import Viewer
from drishtiksha.errors import CaseGoneError, DrishtikshaError
from drishtiksha.services.workbench import OpenCase, Workbench

log = logging.getLogger(__name__)


def take_in(workbench: Workbench, upload: Path, original_name: str, viewer: Viewer, question: str = "") -> OpenCase:
    """A case of the viewer's own. A file that can be judged is taken even where nothing can be read of its origin.

    Raises: MediaError and its kinds; QuotaError; CaseGoneError when it is deleted at once.
    """
    case = workbench.seen_by(viewer).take(upload, original_name, question.strip())
    with deleted_on_failure(case):
        try:
            case.read_origin()
        except CaseGoneError:
            raise
        except DrishtikshaError as error:
            log.warning("Nothing could be read of where a file comes from: %s", error)
    return case


@contextmanager
def deleted_on_failure(case: OpenCase) -> Iterator[None]:
    """Nothing stays of a file that was taken and is then refused: its sender is told so."""
    try:
        yield
    except BaseException:
        case.delete()
        raise
