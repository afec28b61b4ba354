"""What speaks for a false alarm is measured once for a case."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sample_results as planted

from drishtiksha.answer import answer_of
from drishtiksha.casefile import LOCAL, CaseFile
from drishtiksha.results import FaceScore, Grade, Prediction
from drishtiksha.services import apart
from drishtiksha.services.doubting import doubt_about
from drishtiksha.services.workbench import Workbench
from drishtiksha.settings import ROOT

FACE = (171.8, 60.4, 284.4, 172.9)


@pytest.mark.slow
def test_the_deciding_moment_is_measured_once(
    bench_of: Callable[..., Workbench], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = bench_of(start=False).seen_by(LOCAL).take(ROOT / "assets" / "portrait.jpg", "p.jpg")
    score = planted.sample(0, p=0.95, time_s=None, frame_index=None, faces=(FaceScore(face_box=FACE, p_fake=0.95),))
    result = planted.result(
        media=opened.media, prediction=Prediction.FAKE, grade=Grade.STRONG, p_fake=0.95, confidence=0.95, scores=(score,),
        people=(), heatmaps=(),
    )  # fmt: skip
    case = CaseFile(case_id="c", opened_utc="2026-11-29T12:00:00Z", media=opened.media, results=(result,))
    answer = answer_of(case.media, case.results)
    first = doubt_about(case, answer, opened)
    assert first is not None
    assert "not measured for files of this kind" in first.remark, "the planted detector has no test"
    [kept] = opened.derived().iterdir()
    assert '"face_px":112.' in kept.read_text()
    monkeypatch.delattr(apart, "deciding_conditions")
    assert doubt_about(case, answer, opened) == first
    clean = answer_of(case.media, [])
    assert doubt_about(case, clean, opened) is None
