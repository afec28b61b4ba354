"""The proof that the training mix gives nothing away: loudness, bandwidth, noise floor, length and silence tell no label."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from drishtiksha.evaluation.metrics import auc
from training.voice_spoof.codecs import SAMPLE_RATE

CUES = ("loudness_db", "bandwidth_hz", "noise_floor_db", "duration_s", "silent_share")
TILT = "tilt_db"
"""Measured apart: a vocoder's own colour is an honest trace, though a cheap one."""
MOST = 0.6
"""The AUC that no classifier on CUES may exceed."""
ROLL_OFF = 0.95
SILENT_DB = 30.0
"""So far below the whole, a frame is silent."""
FRAME = 400
"""Samples of a frame: 25 ms."""
FOLDS = 5


def cues_of(waveform: np.ndarray) -> np.ndarray:
    """float (6,): CUES and TILT of a waveform, float32 (n,) at SAMPLE_RATE.

    Loudness of the whole in dB below full scale; the frequency below which ROLL_OFF of the power lies; the level of the
    quietest tenth of the frames below the whole, dB; the length in s; the share of silent frames; power above 2 kHz over that below, dB.
    """
    frames = waveform[: len(waveform) // FRAME * FRAME].reshape(-1, FRAME)
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1))).mean(0) + 1e-12
    bins_hz = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    levels_db = _db(np.square(frames).mean(1))
    loudness_db = float(_db(np.square(waveform).mean()))
    bandwidth_hz = float(bins_hz[np.searchsorted(np.cumsum(power) / power.sum(), ROLL_OFF)])
    floor_db = float(np.percentile(levels_db, 10)) - loudness_db
    tilt_db = float(_db(power[bins_hz >= 2000].sum()) - _db(power[bins_hz < 2000].sum()))
    silent_share = float(np.mean(levels_db < loudness_db - SILENT_DB))
    return np.array([loudness_db, bandwidth_hz, floor_db, len(waveform) / SAMPLE_RATE, silent_share, tilt_db])


def judge_cues(cues: np.ndarray, fake: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """How well simple classifiers tell fakes by `cues`, (N, 6) as `cues_of` gives them, with whole groups left out.

    fake: bool (N,). groups: (N,); a speaker is one. Returns the AUC of logistic regression and of gradient boosting on
    CUES, on each cue alone (boosting) and with the tilt, and `passed`: whether those on CUES stay within MOST.
    """
    weak = slice(0, len(CUES))
    logistic = make_pipeline(StandardScaler(), LogisticRegression())
    boosting = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, min_samples_leaf=30, random_state=0)
    report: dict[str, Any] = {
        "items": len(fake),
        "logistic": _auc(logistic, cues[:, weak], fake, groups),
        "boosting": _auc(boosting, cues[:, weak], fake, groups),
        "boosting_with_tilt": _auc(boosting, cues, fake, groups),
        "alone": {name: _auc(boosting, cues[:, [k]], fake, groups) for k, name in enumerate((*CUES, TILT))},
    }
    report["passed"] = max(report["logistic"], report["boosting"]) <= MOST
    return report


def _auc(classifier: Any, cues: np.ndarray, fake: np.ndarray, groups: np.ndarray) -> float:
    p = cross_val_predict(classifier, cues, fake, groups=groups, cv=GroupKFold(FOLDS), method="predict_proba")[:, 1]
    value = auc(fake, p)
    assert value is not None
    return round(value, 3)


def _db(power: Any) -> Any:
    return 10 * np.log10(power + 1e-12)
