"""Making fakes out of real faces: self-blends, and swaps between two people."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import LinearNDInterpolator

from training.face_blend.masks import SWAP_KINDS, SWAP_WEIGHTS, hull_mask, random_mask, soften

MIN_CHANGE = 2.5
"""Mean absolute change (of 255) inside the mask below which a blend is too faint to be called a fake."""
POISSON_SELF_BLENDS, POISSON_SWAPS = 0.08, 0.3
"""Of either: pasted by Poisson blending instead of a soft mask."""
WARP_STEP = 4
"""The warp along the mesh is computed at every fourth pixel and interpolated between."""


@dataclass(frozen=True)
class Layers:
    """What a fake is made of: target and source uint8 RGB (S, S, 3), mask float32 (S, S) in [0, 1]: 1 shows source."""

    target: np.ndarray
    source: np.ndarray
    mask: np.ndarray

    def fake(self) -> np.ndarray:
        """The fake, uint8 RGB (S, S, 3)."""
        return composite(self.target, self.source, self.mask)

    def change(self) -> float:
        """Mean absolute change of the target within the mask, 0 to 255."""
        inside = self.mask > 0.3
        return float(cv2.absdiff(self.target, self.fake())[inside].mean()) if inside.any() else 0.0


def colour_shift(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift RGB channels, hue, saturation, brightness and contrast of a uint8 RGB picture at random."""
    if rng.random() < 0.5:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.int16)
        hsv[..., 0] = (hsv[..., 0] + int(rng.integers(-7, 8))) % 180
        hsv[..., 1:] = np.clip(hsv[..., 1:] + rng.integers(-30, 31, 2), 0, 255)
        image = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    levels = np.arange(256, dtype=np.float32)
    contrast = rng.uniform(0.8, 1.2)
    shift = rng.uniform(-20, 20, 3) * (rng.random() < 0.7) + rng.uniform(-20, 20)
    table = [(levels - 128) * contrast + 128 + channel for channel in shift]
    return cv2.LUT(image, np.clip(np.stack(table, axis=-1), 0, 255).astype(np.uint8)[None])


def unsharp(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sharpen a uint8 picture by a random amount."""
    soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.7, 2.0))
    amount = rng.uniform(0.4, 1.5)
    return cv2.addWeighted(image, 1 + amount, soft, -amount, 0)


def coarsen(image: np.ndarray, rng: np.random.Generator, most: float = 4.0) -> np.ndarray:
    """Make smaller and larger again, as generators of low resolution do."""
    size = image.shape[0]
    small = max(int(size / np.exp(rng.uniform(np.log(1.3), np.log(most)))), 16)
    less = cv2.resize(image, (small, small), interpolation=int(rng.choice([cv2.INTER_AREA, cv2.INTER_LINEAR])))
    return cv2.resize(less, (size, size), interpolation=int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC])))


def source_transform(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What SBI does to one of the two copies before blending: other colours, then another sharpness."""
    if rng.random() < 0.85:
        image = colour_shift(image, rng)
    kind = rng.random()
    if kind < 0.4:
        return coarsen(image, rng)
    if kind < 0.65:
        return unsharp(image, rng)
    if kind < 0.75:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.0))
    if kind < 0.85:
        noise = rng.normal(0, rng.uniform(2, 8), image.shape)
        return np.clip(image + noise, 0, 255).astype(np.uint8)
    return image


def _nudge(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = image.shape[0]
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), rng.uniform(-2, 2), rng.uniform(0.95, 1.05))
    matrix[:, 2] += rng.uniform(-0.03, 0.03, 2) * size
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def composite(target: np.ndarray, source: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """source where mask is 1, target where it is 0. uint8 (S, S, 3) twice, float (S, S) in [0, 1]."""
    alpha = mask[..., None]
    return np.round(target + (source.astype(np.float32) - target) * alpha).astype(np.uint8)


def poisson(layers: Layers, hull: np.ndarray) -> Layers:
    """The same blend, pasted by Poisson blending within a hull (float (S, S) of 0 and 1), a little inside its edge.

    Perez et al., Poisson image editing (SIGGRAPH 2003), OpenCV's seamlessClone.
    """
    size = hull.shape[0]
    inner = cv2.erode(hull.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=max(size // 60, 2))
    inner[[0, 1, -2, -1]], inner[:, [0, 1, -2, -1]] = 0, 0
    x, y, width, height = cv2.boundingRect(inner)
    if min(width, height) < size // 20:
        return layers
    centre = (x + width // 2, y + height // 2)
    pasted = cv2.seamlessClone(layers.source, layers.target, inner * 255, centre, cv2.NORMAL_CLONE)
    return Layers(layers.target, pasted, cv2.dilate(inner, np.ones((3, 3), np.uint8)).astype(np.float32))


def self_blend(image: np.ndarray, mesh: np.ndarray, rng: np.random.Generator) -> Layers:
    """Blend a face into itself (SBI): one copy transformed, one part of the face exchanged.

    image: uint8 RGB (S, S, 3). mesh: (468, 2) px.
    Draws again, up to five times, when the blend changed next to nothing: such a picture would be a wrong label.
    """
    layers = Layers(image, image, np.zeros(image.shape[:2], np.float32))
    for _ in range(5):
        mask = random_mask(mesh, image.shape[0], rng)
        changed = source_transform(image, rng)
        source, target = (changed, image) if rng.random() < 0.5 else (image, changed)
        nudged = _nudge(source, rng)
        if rng.random() < POISSON_SELF_BLENDS:
            layers = poisson(Layers(target, nudged, mask), (mask > 0.5).astype(np.float32))
        else:
            layers = Layers(target, nudged, mask * float(rng.choice([0.5, 0.75, 1.0, 1.0, 1.0, 1.0])))
        if layers.change() >= MIN_CHANGE:
            break
    return layers


def match_colours(source: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Give source the mean and spread of target's CIE Lab colours within the mask (Reinhard et al., 2001)."""
    inside = mask > 0.5
    if not inside.any():
        return source
    lab_s = cv2.cvtColor(source, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab_t = cv2.cvtColor(target, cv2.COLOR_RGB2LAB).astype(np.float32)
    mean_s, std_s = lab_s[inside].mean(0), lab_s[inside].std(0) + 1e-3
    mean_t, std_t = lab_t[inside].mean(0), lab_t[inside].std(0)
    lab = (lab_s - mean_s) * np.clip(std_t / std_s, 0.5, 2) + mean_t
    return cv2.cvtColor(np.clip(lab, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)


def affine_warp(other: np.ndarray, other_mesh: np.ndarray, mesh: np.ndarray, size: int) -> np.ndarray:
    """Another face, uint8 RGB, moved by the affine map that brings its mesh nearest to `mesh`: (size, size, 3)."""
    matrix, _ = cv2.estimateAffine2D(other_mesh, mesh, method=cv2.LMEDS)
    return np.asarray(
        cv2.warpAffine(other, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    )


def mesh_warp(other: np.ndarray, other_mesh: np.ndarray, mesh: np.ndarray, size: int) -> np.ndarray:
    """Another face warped piece by piece, so that its mesh lies exactly on `mesh`; around it by the affine map."""
    steps = np.arange(0, size + WARP_STEP, WARP_STEP)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    sparse = LinearNDInterpolator(mesh, other_mesh)(grid)
    back, _ = cv2.estimateAffine2D(mesh, other_mesh, method=cv2.LMEDS)
    around = grid @ back[:, :2].T + back[:, 2]
    field = np.where(np.isnan(sparse), around, sparse).reshape(len(steps), len(steps), 2).astype(np.float32)
    y, x = np.mgrid[:size, :size].astype(np.float32) / WARP_STEP
    flow = cv2.remap(field, x, y, cv2.INTER_LINEAR)
    return np.asarray(cv2.remap(other, flow[..., 0], flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def soft_swap(
    image: np.ndarray,
    mesh: np.ndarray,
    other: np.ndarray,
    other_mesh: np.ndarray,
    rng: np.random.Generator,
    kind: str | None = None,
) -> tuple[Layers, np.ndarray]:
    """Put another person's face, or a part of it, into a picture with a soft edge: warped as a whole or piece by piece.

    Arguments as `self_blend`, and the other person's crop and mesh. kind: one of SWAP_KINDS, drawn when None. Returns
    the layers and the hull, float32 (S, S) of 0 and 1, that was softened.
    """
    size = image.shape[0]
    warp = mesh_warp if rng.random() < 0.5 else affine_warp
    warped = warp(other, other_mesh, mesh, size)
    drawn = str(rng.choice(SWAP_KINDS, p=SWAP_WEIGHTS))
    hull = hull_mask(mesh, size, kind or drawn, rng)
    mask = soften(hull, rng)
    if rng.random() < 0.85:
        warped = match_colours(warped, image, mask)
    quality = rng.random()
    if quality < 0.4:
        warped = coarsen(warped, rng)
    elif quality < 0.5:
        warped = unsharp(warped, rng)
    return Layers(image, warped, mask), hull


def swap(
    image: np.ndarray, mesh: np.ndarray, other: np.ndarray, other_mesh: np.ndarray, rng: np.random.Generator
) -> Layers:
    """A swap of any of SWAP_KINDS, pasted with a soft edge or by Poisson blending; arguments as `soft_swap`."""
    layers, hull = soft_swap(image, mesh, other, other_mesh, rng)
    return poisson(layers, hull) if rng.random() < POISSON_SWAPS else layers
