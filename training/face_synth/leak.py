"""Whether sharpness, noise or colour alone tell real from fake after the chain: a plain classifier must stay near chance."""

from __future__ import annotations

import cv2
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from drishtiksha.evaluation.metrics import auc
from training.face_synth.pairs import Pairs


def plain_measures(image: np.ndarray) -> list[float]:
    """Sharpness, noise, contrast, brightness and colour of uint8 RGB (H, W, 3), as logarithms where they span decades."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    noise = float(np.median(np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1))))
    slope = float(np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)).mean())
    colour = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1]
    logs = [float(np.log(value + 0.1)) for value in (sharpness, noise, slope, grey.std())]
    return [*logs, float(grey.mean()), float(colour.mean()), float(colour.std())]


def plain_auc(train: Pairs, test: Pairs, count: int) -> dict[str, float]:
    """AUC of two plain classifiers that see `plain_measures` of `count` pairs each of training and of other people."""
    seen, asked = (
        np.array([plain_measures(image) for item in range(count) for image in pairs.images(item)])
        for pairs in (train, test)
    )
    labels = np.tile([False, True], count)
    linear = make_pipeline(StandardScaler(), LogisticRegression()).fit(seen, labels)
    boosted = HistGradientBoostingClassifier(random_state=0).fit(seen, labels)
    scores = {"linear": linear.predict_proba(asked)[:, 1], "boosted_trees": boosted.predict_proba(asked)[:, 1]}
    return {name: round(auc(labels, p) or 0.0, 4) for name, p in scores.items()}
