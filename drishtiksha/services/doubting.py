"""Why a case may have been flagged although it is genuine; what is measured for that is measured once."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from drishtiksha.analysis.conditions import Conditions
from drishtiksha.answer import Answer
from drishtiksha.answer.doubts import Doubt, deciding_conditions, doubt_of, suspected
from drishtiksha.casefile import CaseFile
from drishtiksha.media.evidence import Evidence
from drishtiksha.report.files import once
from drishtiksha.settings import MediaLimits


def doubt_about(case: CaseFile, answer: Answer, evidence: Evidence, folder: Path, limits: MediaLimits) -> Doubt | None:
    """None where no detector found signs. folder: for derived copies of the case."""
    found = suspected(answer)
    if found is None:
        return None
    result = next(one for one in case.results if one.model_name == found[1])
    made = "".join(filter(str.isalnum, result.provenance.started_utc))
    path = folder / f"conditions-{result.model_name}-{made}.json"
    conditions = _kept(path)
    if conditions is None:
        conditions = deciding_conditions(answer, evidence, limits)
        if conditions is not None:
            text = conditions.model_dump_json()
            once(path, lambda target: target.write_text(text, encoding="utf-8"))
    return doubt_of(answer, case.results, conditions, case.stress)


def _kept(path: Path) -> Conditions | None:
    """None where nothing was measured yet, or other facts by another version."""
    try:
        return Conditions.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        path.unlink(missing_ok=True)
        return None
