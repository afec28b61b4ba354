"""A case as JSON: everything that is known of it, to be read back with `CaseFile.model_validate_json`."""

from __future__ import annotations

from drishtiksha.casefile import CaseFile
from drishtiksha.plaintext import readable_json


def render(case: CaseFile) -> bytes:
    """UTF-8, indented, ending with a line break."""
    return readable_json(case.model_dump_json(indent=2)).encode() + b"\n"
