"""A row of a batch becomes a case of the desk, to be looked at, reviewed and reported."""

from __future__ import annotations

from drishtiksha.batch.items import Item, on_disk
from drishtiksha.batch.parts import ResultFolder
from drishtiksha.casefile import LOCAL
from drishtiksha.results import AnalysisResult
from drishtiksha.services.intake import deleted_on_failure, take_in
from drishtiksha.services.workbench import OpenCase, Workbench


def open_case(folder: ResultFolder, name: str, bench: Workbench, question: str = "") -> tuple[OpenCase, str]:
    """Take the file in, with all its results; the case, and the id of the job that has them. Nothing is judged.

    Raises: ConfigError where there is no such file in the folder; MediaError where it changed since, and its kinds; QuotaError.
    """
    rows = folder.of(name)
    documents = (AnalysisResult.model_validate_json(row.result) for row in rows if row.result is not None)
    results = [result.model_copy(update={"path": None}) for result in documents]
    errors = {row.model: row.error for row in rows if row.error is not None}
    with on_disk(Item(name, rows[0].path), bench.settings.limits) as path:
        case = take_in(bench, path, path.name, LOCAL, question)
    with deleted_on_failure(case):
        return case, case.add_results(results, errors)
