"""A case as JSON: everything that is known of it, to be read back with `CaseFile.model_validate_json`."""

from __future__ import annotations

from drishtiksha.casefile import CaseFile


def render(case: CaseFile) -> bytes:
    """UTF-8, indented, ending with a line break."""
    return case.model_dump_json(indent=2).encode() + b"\n"
