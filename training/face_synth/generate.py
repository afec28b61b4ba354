"""Trains the autoencoders, each for a few minutes, on portraits of the training people alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from training.face_blend.data import FaceCache
from training.face_blend.fast import speed_up_depthwise
from training.face_synth.generators import (
    RECIPES,
    Autoencoder,
    Critic,
    Recipe,
    reconstruct,
    to_tensor,
)
from training.loop import Run, Schedule

PATCH_PX = 96
PATCHES = 4
SIDE_PX = (160, 448)
"""Range of the side to which a cached crop is made smaller: faces of about 73 to 204 px."""
MIN_SHRINK = 1.5
"""At least so much smaller than the original picture: its JPEG grid and whatever made it large are gone from both sides."""
EARLY = 0.4
"""Where in a run the early state is kept, as a share of its time: more fakes for no more training."""
STATES = ("early", "late")
ADVERSARIAL_FROM = 0.15
ADVERSARIAL_WEIGHT = 0.03
PERCEPTUAL_WEIGHT = 0.3


def large_enough(cache: FaceCache, members: list[int], least: int = SIDE_PX[0]) -> list[int]:
    """Those whose original can be made MIN_SHRINK times smaller and still be `least` px wide."""
    return [member for member in members if cache.native_px[member] >= MIN_SHRINK * least]


def clean_picture(cache: FaceCache, index: int, rng: np.random.Generator, least: int = SIDE_PX[0]) -> np.ndarray:
    """A cached crop made smaller by area at random, so that nothing of its own compression is left.

    Returns uint8 RGB (S, S, 3), least <= S <= SIDE_PX[1]; smaller originals give smaller pictures.
    """
    most = min(SIDE_PX[1], cache.native_px[index] / MIN_SHRINK)
    side = round(float(np.exp(rng.uniform(np.log(least), np.log(most)))))
    image = cv2.resize(cache.crops[index], (side, side), interpolation=cv2.INTER_AREA)
    return image[:, ::-1] if rng.random() < 0.5 else image


def cut(image: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A square of `side` px from anywhere in the picture."""
    y, x = (int(rng.integers(0, image.shape[axis] - side + 1)) for axis in (0, 1))
    return np.ascontiguousarray(image[y : y + side, x : x + side])


def patches(cache: FaceCache, members: list[int], seed: int, step: int) -> torch.Tensor:
    """One batch for an autoencoder, float32 (PATCHES, 3, PATCH_PX, PATCH_PX) in [-1, 1]; depends on (seed, step) alone."""
    rng = np.random.default_rng([seed, step])
    chosen = rng.choice(members, PATCHES)
    return to_tensor(
        torch.from_numpy(np.stack([cut(clean_picture(cache, int(i), rng), PATCH_PX, rng) for i in chosen]))
    )


class ImageNetFeatures(nn.Module):
    """The first stages of EfficientNet-Lite0, frozen: what stands in for a perceptual loss (Johnson et al., 2016)."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__()
        network: Any = timm.create_model("tf_efficientnet_lite0")
        theirs = torch.load(checkpoint, weights_only=True, map_location="cpu")
        # Both list the same tensors in the same order under other names.
        network.load_state_dict(dict(zip(network.state_dict(), theirs.values(), strict=True)))
        self.stages = nn.ModuleList([nn.Sequential(network.conv_stem, network.bn1), *network.blocks[:3]])
        self.eval().requires_grad_(False)
        speed_up_depthwise(self)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def distance(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Mean absolute difference of the features, each stage by its own scale."""
        pairs = zip(self(one), self(other.detach()), strict=True)
        parts = [functional.l1_loss(a.float(), b.float()) / (b.float().std() + 1e-3) for a, b in pairs]
        return torch.stack(parts).mean()


def _learn(run: Run, recipe: Recipe, real: torch.Tensor, features: ImageNetFeatures | None) -> dict[str, float]:
    """One step of the autoencoder and, if there is one, of its critic. Returns the losses."""
    autoencoder = run.networks["autoencoder"]
    adversarial = recipe.loss == "adversarial" and run.progress > ADVERSARIAL_FROM
    with torch.autocast("cpu", torch.bfloat16):
        made = autoencoder(real)
        l1 = functional.l1_loss(made, real)
        loss, losses = l1, {"l1": l1.item()}
        if features is not None:
            loss = loss + PERCEPTUAL_WEIGHT * features.distance(made, real)
        if adversarial:
            loss = loss - ADVERSARIAL_WEIGHT * run.networks["critic"](made).float().mean()
    _descend(run, "autoencoder", loss)
    if adversarial:
        with torch.autocast("cpu", torch.bfloat16):
            judged = run.networks["critic"](torch.cat([real, made.detach()])).float()
        judged_real, judged_made = judged.chunk(2)
        critic = (functional.relu(1 - judged_real) + functional.relu(1 + judged_made)).mean()
        _descend(run, "critic", critic)
        losses["critic"] = critic.item()
    return losses


def _descend(run: Run, name: str, loss: torch.Tensor) -> None:
    run.optimizers[name].zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(run.networks[name].parameters(), 1.0)
    run.optimizers[name].step()


def train_autoencoder(
    recipe: Recipe, cache: FaceCache, members: list[int], folder: Path, schedule: Schedule, imagenet: Path
) -> None:
    """Train one autoencoder and leave `<state>.safetensors` for each of STATES in `folder`. Resumes; returns when done."""
    torch.manual_seed(schedule.seed)
    networks: dict[str, nn.Module] = {"autoencoder": Autoencoder(recipe.up, recipe.factor)}
    if recipe.loss == "adversarial":
        networks["critic"] = Critic()
    for network in networks.values():
        network.to(memory_format=torch.channels_last)
    rates = {"autoencoder": 2e-3, "critic": 1e-3}
    optimizers = {
        n: torch.optim.Adam(v.parameters(), lr=rates[n], betas=(0.9, 0.99), fused=True) for n, v in networks.items()
    }
    features = ImageNetFeatures(imagenet) if recipe.loss == "perceptual" else None
    run = Run(folder, networks, optimizers, schedule)
    for step in run.steps():
        run.note(**_learn(run, recipe, patches(cache, members, schedule.seed, step), features))
        if run.progress > EARLY and not (folder / "early.safetensors").exists():
            _keep(run, folder / "early.safetensors")
    _keep(run, folder / "late.safetensors")


def _keep(run: Run, path: Path) -> None:
    save_file({name: value.contiguous() for name, value in run.ema["autoencoder"].items()}, path)


def load_autoencoder(recipe: Recipe, folder: Path, state: str) -> Autoencoder:
    """A trained autoencoder in evaluation mode. folder: what holds one folder per recipe. Raises: FileNotFoundError."""
    path = folder / recipe.name / f"{state}.safetensors"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: the autoencoders are not in the repository. Train them again with "
            "python -m training.face_synth --data <folder> --until generators"
        )
    autoencoder = Autoencoder(recipe.up, recipe.factor)
    autoencoder.load_state_dict(load_file(path))
    return autoencoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def psnr(autoencoder: Autoencoder, cache: FaceCache, members: list[int], seed: int) -> float:
    """Mean over people of the reconstruction's PSNR, dB, on one clean 160 px square each."""
    values = []
    for member in members:
        rng = np.random.default_rng([seed, member])
        real = torch.from_numpy(cut(clean_picture(cache, member, rng), SIDE_PX[0], rng))[None]
        error = (reconstruct(autoencoder, real).float() - real.float()).square().mean()
        values.append(float(10 * torch.log10(255**2 / error)))
    return float(np.mean(values))


def train_all(
    cache: FaceCache, splits: dict[str, list[int]], folder: Path, minutes: float, seed: int, imagenet: Path
) -> dict[str, dict[str, float]]:
    """Train what is not trained yet, one after another. Returns PSNR in dB by recipe and state on people of val, which
    `folder`/quality.json keeps."""
    store = folder / "quality.json"
    quality = json.loads(store.read_text()) if store.exists() else {}
    members = large_enough(cache, splits["train"])
    judges = large_enough(cache, splits["val"])[:40]
    for number, recipe in enumerate(RECIPES):
        place = folder / recipe.name
        if not (place / "late.safetensors").exists():
            schedule = Schedule(minutes, seed + number, warm_steps=30, ema_decay=0.99, checkpoint_s=60)
            train_autoencoder(recipe, cache, members, place, schedule, imagenet)
        if recipe.name not in quality:
            networks = {state: load_autoencoder(recipe, folder, state) for state in STATES}
            quality[recipe.name] = {state: round(psnr(one, cache, judges, seed), 2) for state, one in networks.items()}
            store.write_text(json.dumps(quality, indent=1) + "\n")
            print(recipe.name, quality[recipe.name], flush=True)
    return quality
