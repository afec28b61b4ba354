"""Heatmaps point at what raises the score, on networks whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drishtiksha.contract import Sample
from drishtiksha.explain.gradcam import gradcam
from drishtiksha.explain.maps import normalise, to_heatmap
from drishtiksha.explain.occlusion import occlusion
from drishtiksha.results import GapReason, SampleScore


def spot(y: int, x: int, size: int = 56) -> torch.Tensor:
    picture = torch.zeros(3, size, size)
    picture[:, y : y + 8, x : x + 8] = 1
    return picture


def bright_score(batch: torch.Tensor) -> np.ndarray:
    return torch.sigmoid(batch.mean(dim=(1, 2, 3)) * 50 - 1).numpy()


@pytest.mark.parametrize(("y", "x"), [(4, 4), (40, 20)])
def test_occlusion_finds_the_spot_that_raises_the_score(y, x):
    heat = occlusion(bright_score, spot(y, x))
    assert heat.shape == (56, 56)
    assert heat.max() == pytest.approx(1)
    at = np.unravel_index(heat.argmax(), heat.shape)
    assert abs(at[0] - y - 4) <= 16
    assert abs(at[1] - x - 4) <= 16
    assert heat[y + 4, x + 4] > 3 * heat.mean()


def test_occlusion_of_a_blank_picture_is_blank():
    assert occlusion(bright_score, torch.zeros(3, 56, 56)).max() == 0


def test_gradcam_finds_the_spot_and_changes_no_gradient_state():
    convolution = torch.nn.Conv2d(3, 2, 8, stride=8)
    torch.nn.init.ones_(convolution.weight)
    convolution.requires_grad_(False)
    heat = gradcam(convolution, lambda maps: maps.mean(dim=(1, 2, 3)), torch.stack([spot(8, 40), spot(40, 8)]))
    assert heat.shape == (2, 56, 56)
    for one, (y, x) in zip(heat, [(8, 40), (40, 8)], strict=True):
        assert one[y + 4, x + 4] > 0.8
        assert one[0, 0] < 0.2
    assert convolution.weight.grad is None


def test_normalise_cuts_at_zero_and_keeps_blank_blank():
    assert normalise(np.array([-1.0, 1.0, 4.0])).tolist() == [0, 0.25, 1]
    assert normalise(np.zeros(3)).tolist() == [0, 0, 0]


def test_a_gap_has_no_heatmap():
    gap = SampleScore(index=0, gap=GapReason.NO_FACE)
    with pytest.raises(ValueError, match="gap"):
        to_heatmap(np.zeros((2, 2)), Sample(0), gap, "occlusion", face=None, region=None)
