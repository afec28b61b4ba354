"""Why a case may have been flagged although it is genuine; what is measured for that is measured once."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from drishtiksha.analysis.conditions import Conditions
from drishtiksha.answer import Answer
from drishtiksha.answer.doubts import Doubt, doubt_of, suspected
from drishtiksha.casefile import CaseFile
from drishtiksha.errors import MediaError
from drishtiksha.report.files import once
from drishtiksha.services.workbench import OpenCase


def doubt_about(case: CaseFile, answer: Answer, opened: OpenCase) -> Doubt | None:
    """None where no detector found signs. case, answer: as `opened` gave them. Raises: CaseGoneError."""
    found = suspected(answer)
    if found is None:
        return None
    result = next(one for one in case.results if one.model_name == found[1])
    made = "".join(filter(str.isalnum, result.provenance.started_utc))
    path = opened.derived() / f"conditions-{result.model_name}-{made}.json"
    conditions = _kept(path)
    if conditions is None:
        conditions = _measured(opened, answer)
        if conditions is not None:
            text = conditions.model_dump_json()
            once(path, lambda target: target.write_text(text, encoding="utf-8"))
    return doubt_of(answer, case.results, conditions, case.stress)


def _measured(opened: OpenCase, answer: Answer) -> Conditions | None:
    try:
        found = opened.apart("conditions", answer=answer.model_dump_json())
    except MediaError:  # a decoder crashed
        return None
    return None if found is None else Conditions.model_validate(found)


def _kept(path: Path) -> Conditions | None:
    """None where nothing was measured yet, or other facts by another version."""
    try:
        return Conditions.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        path.unlink(missing_ok=True)
        return None
