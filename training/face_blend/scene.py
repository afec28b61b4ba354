"""What genuine pictures hold that posed portraits lack: hard light, things before the face, make-up, beautifying, a blurred
background. Real and fake get the same by the same seed, so that none of it says which is which."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from training.face_blend.masks import BROWS, EYES, LIPS, OVAL

SCENE_SHARE = 0.5
"""Of the pairs: one change of the scene, a third of these two."""
_SHIFT = 4
"""Polygons are drawn at a sixteenth of a pixel, with antialiased edges."""


def _plane(size: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].astype(np.float32)
    return x, y


def _smooth_field(size: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise float32 (S, S), mean about 0, spread about 1."""
    coarse = rng.normal(0, 1, (cells + 2, cells + 2)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC))


def _lit(image: np.ndarray, gain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Times a gain (S, S), a little warmer where it is bright: sun is yellow and sky is blue."""
    warm = rng.uniform(0, 0.12) * np.array([1, 0.1, -1], np.float32)
    tint = 1 + warm * np.clip(gain - gain.mean(), -1, 1)[..., None]
    return np.clip(image * (gain[..., None] * tint), 0, 255).astype(np.uint8)


def shadow(image: np.ndarray, _mesh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An edge of shadow across the face, straight or bent, hard or soft; the bright side may burn out."""
    size = image.shape[0]
    x, y = _plane(size)
    angle, place = rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.6)
    bend = _smooth_field(size, int(rng.integers(1, 5)), rng) * rng.choice([0.0, rng.uniform(0.02, 0.25)])
    edge = float(np.exp(rng.uniform(np.log(3), np.log(80))))
    lit = 1 / (1 + np.exp(np.clip(-edge * (x * np.cos(angle) + y * np.sin(angle) - place + bend), -30, 30)))
    dark = rng.uniform(0.25, 0.9)
    return _lit(image, dark + (rng.uniform(0.95, 1.9) - dark) * lit, rng)


def dapples(image: np.ndarray, _mesh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Patches of sun and shade, as under trees or behind blinds."""
    size = image.shape[0]
    field = _smooth_field(size, int(rng.integers(2, 9)), rng)
    if rng.random() < 0.25:
        x, y = _plane(size)
        angle = rng.uniform(0, np.pi)
        field = np.sin((x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(4, 20) + rng.uniform(0, 6))
    lit = 1 / (1 + np.exp(np.clip(-rng.uniform(2, 25) * (field - rng.uniform(-0.6, 0.6)), -30, 30)))
    dark = rng.uniform(0.35, 0.9)
    return _lit(image, dark + (rng.uniform(1.0, 1.7) - dark) * lit, rng)


def side_light(image: np.ndarray, mesh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A hard lamp from one side or above: the head shaded as an ellipsoid, the background hardly."""
    x, y = _plane(image.shape[0])
    size = image.shape[0]
    middle = (mesh.mean(0) / size * 2 - 1).astype(np.float32)
    half = np.ptp(mesh, axis=0).astype(np.float32) / size * rng.uniform(1.1, 1.5)
    u, v = (x - middle[0]) / half[0], (y - middle[1]) / half[1]
    depth = np.sqrt(np.clip(1 - u * u - v * v, 0, 1))
    turn, height = rng.uniform(-np.pi, np.pi), rng.uniform(0.0, 0.7)
    shade = (u * np.cos(turn) + v * np.sin(turn)) * np.sqrt(1 - height**2) + depth * height
    edge = float(np.exp(rng.uniform(np.log(2), np.log(25))))
    lit = 1 / (1 + np.exp(np.clip(-edge * (shade - rng.uniform(-0.2, 0.3)), -30, 30)))
    dark = rng.uniform(0.25, 0.8)
    gain = dark + (rng.uniform(1.0, 1.8) - dark) * lit
    head = cv2.GaussianBlur((u * u + v * v < 1).astype(np.float32), (0, 0), size * rng.uniform(0.01, 0.05))
    return _lit(image, gain * head + rng.uniform(0.6, 1.3) * (1 - head), rng)


def _paint(image: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colour (3,) or picture (S, S, 3) over the image where alpha (S, S) is 1."""
    mixed = image + (np.asarray(colour, np.float32) - image) * alpha[..., None]
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _drawn(size: int, polygons: list[np.ndarray], thickness: int = 0) -> np.ndarray:
    """Alpha float32 (S, S) of polygons (N, 2) px, filled or, with a thickness in px, as lines."""
    canvas = np.zeros((size, size), np.uint8)
    fixed = [np.round(p * 2**_SHIFT).astype(np.int32).reshape(-1, 1, 2) for p in polygons]
    if thickness:
        cv2.polylines(canvas, fixed, True, 255, thickness, cv2.LINE_AA, _SHIFT)
    else:
        for polygon in fixed:
            cv2.fillPoly(canvas, [polygon], 255, cv2.LINE_AA, _SHIFT)
    return canvas.astype(np.float32) / 255


def glasses(image: np.ndarray, mesh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two rims, a bridge and temples; the panes clear, tinted or dark, with a reflection now and then."""
    size = image.shape[0]
    eyes = np.stack([mesh[EYES[:16]].mean(0), mesh[EYES[16:]].mean(0)])
    across = eyes[1] - eyes[0]
    reach = float(np.linalg.norm(across)) * rng.uniform(0.36, 0.5)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    power = rng.uniform(0.45, 1.0)
    shape = np.stack([np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power, np.sin(angle) * rng.uniform(0.6, 1)], 1)
    turn = np.arctan2(across[1], across[0])
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    panes = [eye + (shape * reach) @ matrix.T for eye in eyes]
    tint = rng.choice([0.0, 0.15, 0.5, 0.9], p=[0.5, 0.2, 0.15, 0.15])
    image = _paint(image, rng.uniform(0, 90, 3), _drawn(size, panes) * tint)
    if rng.random() < 0.3:
        glare = cv2.GaussianBlur(_drawn(size, [panes[0] * 0.4 + eyes[0] * 0.6]), (0, 0), size * 0.01)
        image = _paint(image, np.full(3, 255), glare * rng.uniform(0.2, 0.8))
    out = across / np.linalg.norm(across) * reach
    lines = [np.stack([eyes[0] + out, eyes[1] - out]), np.stack([eyes[0] - out, eyes[0] - 3 * out])]
    lines.append(np.stack([eyes[1] + out, eyes[1] + 3 * out]))
    rims = _drawn(size, [*panes, *lines], int(rng.integers(1, max(size // 50, 2) + 1)))
    return _paint(image, rng.uniform(0, 160, 3), rims)


def hand(image: np.ndarray, mesh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Something before the face: fingers in the skin's colour, or a microphone, cup or scarf in any."""
    size = image.shape[0]
    centre = mesh.mean(0) + rng.uniform(-0.45, 0.45, 2) * np.ptp(mesh, axis=0)
    skin = np.array([230.0, 180.0, 150.0]) * rng.uniform(0.3, 1.05) + rng.normal(0, 8, 3)
    colour = skin if rng.random() < 0.6 else rng.uniform(10, 240, 3)
    angle, width = rng.uniform(0, 2 * np.pi), size * rng.uniform(0.03, 0.12)
    along = np.array([np.cos(angle), np.sin(angle)])
    aside = np.array([-along[1], along[0]])
    fingers = []
    for number in range(int(rng.integers(1, 5))):
        tip = centre + aside * number * width * 1.1 + along * rng.uniform(-0.5, 0.5) * width
        bow = np.linspace(-np.pi / 2, np.pi / 2, 12)[:, None]
        round_tip = tip - along * np.cos(bow) * width / 2 + aside * np.sin(bow) * width / 2
        fingers.append(np.concatenate([round_tip, [tip + aside * width / 2 + along * 2 * size]]))
        fingers[-1] = np.concatenate([fingers[-1], [tip - aside * width / 2 + along * 2 * size]])
    alpha = cv2.GaussianBlur(_drawn(size, fingers), (0, 0), rng.uniform(0.3, 1.5))
    texture = _smooth_field(size, 6, rng) * 10 + rng.normal(0, rng.uniform(1, 6), (size, size)).astype(np.float32)
    cast = cv2.GaussianBlur(alpha, (0, 0), size * rng.uniform(0.01, 0.03)) * rng.uniform(0, 0.5)
    return _paint(_paint(image, np.zeros(3), cast), colour + texture[..., None], alpha)


def make_up(image: np.ndarray, mesh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Tinted lips, lids and cheeks."""
    size = image.shape[0]
    parts = [mesh[LIPS], np.concatenate([mesh[BROWS[:5]], mesh[EYES[:9]]])]
    parts.append(np.concatenate([mesh[BROWS[5:]], mesh[EYES[16:25]]]))
    for part in parts:
        hull = np.asarray(cv2.convexHull(part.astype(np.float32)), np.float32)[:, 0]
        alpha = cv2.GaussianBlur(_drawn(size, [hull]), (0, 0), size * rng.uniform(0.003, 0.02))
        tint = rng.uniform(20, 230, 3) * np.array([1.0, 0.7, 0.8])
        image = _paint(image, (image / 255.0) * tint + 0.3 * tint, alpha * rng.uniform(0.1, 0.6))
    for cheek in mesh[[50, 280]]:
        alpha = _drawn(size, [cheek + size * 0.07 * np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])])
        alpha = cv2.GaussianBlur(alpha, (0, 0), size * 0.035) * rng.uniform(0, 0.4)
        image = _paint(image, np.array([200.0, 90.0, 90.0]), alpha)
    return image


def beard(image: np.ndarray, mesh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dark hair-like texture around the mouth and chin."""
    size = image.shape[0]
    jaw = mesh[[132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361]]
    lower = np.concatenate([jaw, mesh[[205, 2, 425]] + (0, size * 0.01)])
    area = cv2.GaussianBlur(_drawn(size, [lower]), (0, 0), size * rng.uniform(0.01, 0.04))
    lips = cv2.GaussianBlur(_drawn(size, [mesh[LIPS]]), (0, 0), size * 0.006)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (size, size)).astype(np.float32), (0, 0), sigmaX=0.7, sigmaY=2.0)
    hairs = np.clip(0.5 + grain * rng.uniform(0.5, 1.5), 0, 1) * area * (1 - lips) * rng.uniform(0.3, 0.9)
    return _paint(image, rng.uniform(0, 1) * np.array([110.0, 90.0, 75.0]), hairs)


def beautify(image: np.ndarray, mesh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What phones do unasked: skin smoothed and brightened, eyes and lips left sharp. No evidence of a fake."""
    size = image.shape[0]
    skin = cv2.GaussianBlur(_drawn(size, [mesh[OVAL]]), (0, 0), size * rng.uniform(0.01, 0.04))
    kept = _drawn(size, [mesh[LIPS], *(np.asarray(cv2.convexHull(mesh[e]))[:, 0] for e in (EYES[:16], EYES[16:]))])
    skin = skin * (1 - cv2.GaussianBlur(kept, (0, 0), size * 0.01))
    smooth = cv2.bilateralFilter(image, 7, rng.uniform(20, 60), 5)
    return _paint(image, np.clip(smooth * rng.uniform(1.0, 1.08), 0, 255), skin * rng.uniform(0.4, 0.9))


def shallow_focus(image: np.ndarray, mesh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A blurred background behind a sharp head, from a lens or a phone's portrait mode."""
    size = image.shape[0]
    middle = mesh.mean(0) - (0, 0.1 * np.ptp(mesh[:, 1]))
    half = np.ptp(mesh, axis=0) * rng.uniform(0.65, 0.85)
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    outline = middle + np.stack([np.cos(angle), np.sin(angle)], 1) * half * (1 + rng.normal(0, 0.03, (48, 1)))
    head = cv2.GaussianBlur(_drawn(size, [outline]), (0, 0), size * rng.uniform(0.005, 0.03))
    return _paint(cv2.GaussianBlur(image, (0, 0), rng.uniform(1.5, 6)), image, head)


Change = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]
SCENES: dict[Change, float] = {
    shadow: 0.28,
    dapples: 0.1,
    side_light: 0.16,
    glasses: 0.1,
    hand: 0.09,
    make_up: 0.07,
    beard: 0.06,
    beautify: 0.08,
    shallow_focus: 0.06,
}


def set_scene(image: np.ndarray, mesh: np.ndarray, seed: int | list[int]) -> np.ndarray:
    """At most two changes of the scene; one seed draws the same for every picture.

    image: uint8 RGB (S, S, 3). mesh: (468, 2) px.
    """
    rng = np.random.default_rng(seed)
    if rng.random() >= SCENE_SHARE:
        return image
    count = 2 if rng.random() < 1 / 3 else 1
    for number in rng.choice(len(SCENES), size=count, replace=False, p=list(SCENES.values())):
        image = list(SCENES)[number](image, mesh, rng)
    return image
