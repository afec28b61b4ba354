"""From a trained network to what ships: weights, and a sidecar with calibration and thresholds from people of val."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from drishtiksha.detectors.face_synth import MIN_FACE_PX
from drishtiksha.evaluation.manifest import read_manifest
from drishtiksha.evaluation.metrics import fit_platt, threshold_for
from drishtiksha.faces.detect import BlazeFaceFinder
from drishtiksha.networks.face_synth import WINDOW_PX, FaceSynthesisNetwork, native_window
from drishtiksha.results import Thresholds
from drishtiksha.scoring import calibrate
from drishtiksha.weights.files import Calibration, Sidecar, sha256_of
from training.export import make_canary, save_state
from training.face_blend.data import read_rgb
from training.face_synth.train import logits_of

CANARY_SHAPE = (2, 3, WINDOW_PX, WINDOW_PX)
MAX_FALSE_ALARMS = 0.02
"""Of the genuine pictures together, and of the plain ones by themselves."""
MAX_CALLED_REAL = 0.10
"""Of the fakes."""


def save_weights(network: FaceSynthesisNetwork, path: Path) -> FaceSynthesisNetwork:
    """Write the weights and hand back the network as everyone will load it, in evaluation mode."""
    save_state(network.state_dict(), path)
    loaded = FaceSynthesisNetwork()
    loaded.load_state_dict(load_file(path))
    return loaded.eval()


def read_windows(manifest: Path, models: Path, store: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows uint8 RGB (N, S, S, 3), fake (N,) and group (N,) of the largest face of every picture, kept in `store`;
    clips have no part in it."""
    if not store.exists():
        finder = BlazeFaceFinder(models)
        windows, items = [], []
        for item in read_manifest(manifest):
            if item.path.suffix == ".mp4":
                continue
            frame = read_rgb(item.path)
            faces = [face for face in finder.find(frame) if face.size >= MIN_FACE_PX]
            if faces:
                windows.append(native_window(frame, faces[0].box))
                items.append(item)
        fake, group = [item.fake for item in items], [item.group for item in items]
        np.savez(store, windows=np.stack(windows), fake=np.array(fake), group=np.array(group))
    with np.load(store) as kept:
        return kept["windows"], kept["fake"], kept["group"]


def choose(logits: np.ndarray, fake: np.ndarray, group: np.ndarray) -> tuple[Calibration, Thresholds]:
    """Platt's scaling; FAKE as low as MAX_FALSE_ALARMS allows, REAL as high as MAX_CALLED_REAL allows. All (N,)."""
    scale, offset = fit_platt(logits, fake)
    p = calibrate(logits, scale, offset)
    plain = ~fake & np.char.startswith(group, "real/")
    at = max(0.5, *(threshold_for(p[side], MAX_FALSE_ALARMS) for side in (~fake, plain)))
    calibration = Calibration(
        scale=scale,
        offset=offset,
        data=f"portraits of people in neither training nor test: {', '.join(np.unique(group))}",
        n_real=int((~fake).sum()),
        n_fake=int(fake.sum()),
    )
    return calibration, Thresholds(real=min(0.5, float(np.quantile(p[fake], MAX_CALLED_REAL))), fake=at)


def write_sidecar(network: FaceSynthesisNetwork, path: Path, manifest: Path, models: Path) -> Sidecar:
    """Calibrate on the pictures of `manifest` and write the sidecar of the weights at `path`; `training.publish` adds what
    is measured."""
    canary = make_canary(network, CANARY_SHAPE)
    windows, fake, group = read_windows(manifest, models, manifest.with_name("windows.npz"))
    calibration, thresholds = choose(logits_of(network, windows), fake, group)
    sidecar = Sidecar(sha256=sha256_of(path), canary=canary, calibration=calibration, thresholds=thresholds)
    path.with_suffix(".json").write_text(sidecar.model_dump_json(indent=1, exclude_defaults=True) + "\n")
    return sidecar
