"""Colours of other primaries and curves to those of sRGB, through linear light."""

from __future__ import annotations

import functools

import numpy as np

Primaries = tuple[float, ...]
"""xy of red, green, blue and white."""

PRIMARIES = {
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290),
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, 0.3127, 0.3290),
}
"""xy of red, green, blue and white of the primaries of H.273 that differ visibly from those of sRGB: BT.470 M, BT.2020, DCI
P3, Display P3, EBU 3213."""

SRGB_PRIMARIES: Primaries = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)


def to_srgb(values: np.ndarray, primaries: Primaries, gamma: float | None = None) -> np.ndarray:
    """uint8 (H, W, 3) in sRGB of uint16 RGB. gamma: exponent of the stored values; None: sRGB's curve."""
    light, encode = _to_light(gamma), _from_light()
    matrix = to_srgb_matrix(primaries).T
    result = np.empty(values.shape, np.uint8)
    for y, row in enumerate(values):
        # Row by row: as floats a large picture would take four times its size.
        result[y] = encode[(np.clip(light[row] @ matrix, 0, 1) * 65535).round().astype(np.uint16)]
    return result


@functools.cache
def to_srgb_matrix(primaries: Primaries) -> np.ndarray:
    """float32 (3, 3): linear light of these primaries to that of sRGB's; white stays white."""
    matrix = np.linalg.solve(_to_xyz(SRGB_PRIMARIES), _to_xyz(primaries))
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True), np.float32)


@functools.cache
def _to_light(gamma: float | None) -> np.ndarray:
    """float32 (65536,): by the stored value of 16 bits."""
    ramp = np.linspace(0, 1, 1 << 16)
    curve = ramp**gamma if gamma else np.where(ramp <= 0.04045, ramp / 12.92, ((ramp + 0.055) / 1.055) ** 2.4)
    return np.asarray(curve, np.float32)


@functools.cache
def _from_light() -> np.ndarray:
    """uint8 (65536,): sRGB by linear light of 16 bits."""
    ramp = np.linspace(0, 1, 1 << 16)
    curve = np.where(ramp <= 0.0031308, ramp * 12.92, 1.055 * ramp ** (1 / 2.4) - 0.055)
    return np.asarray((curve * 255).round(), np.uint8)


def _to_xyz(primaries: Primaries) -> np.ndarray:
    xy = np.reshape(primaries, (4, 2))
    xyz = np.column_stack([xy[:, 0], xy[:, 1], 1 - xy.sum(axis=1)]) / xy[:, 1:2]
    return np.asarray(xyz[:3].T * np.linalg.solve(xyz[:3].T, xyz[3]))
