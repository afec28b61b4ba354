"""What every detector shares: loading and proving the weights, scoring a batch, and working alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, Reference, Sample, SamplingPlan
from drishtiksha.errors import ConfigError, WeightsMismatchError
from drishtiksha.events import CancelToken, Reporter, silent
from drishtiksha.results import AnalysisResult, FaceBox, Heatmap, MediaInfo, SampleScore, Thresholds
from drishtiksha.settings import MediaLimits
from drishtiksha.weights import Sidecar, load_into, load_state_dict, read_sidecar, remedy, sha256_of, verify

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Detector(ABC):
    """A recipe: what to decode, which network, how a sample becomes tensors. Not changed by anything after `load`."""

    Config: ClassVar[type[DetectorConfig]] = DetectorConfig
    build_on_meta: ClassVar[bool] = True
    """Whether `build` can run without memory, so that weights are not first filled with noise."""

    def __init__(self, config: DetectorConfig) -> None:
        self.config: Any = config
        self._network: nn.Module | None = None
        self._sidecar: Sidecar | None = None
        self._checkpoint_sha256: str | None = None

    @abstractmethod
    def sampling(self, media: MediaInfo) -> SamplingPlan: ...

    @abstractmethod
    def build(self) -> nn.Module:
        """The network, without weights and without asking any hub."""

    @abstractmethod
    def preprocess(self, sample: Sample) -> list[Tensor]: ...

    def forward(self, batch: Tensor) -> Tensor:
        """Fake logits (B,). A checkpoint of the other polarity is turned around here and nowhere else."""
        return self.network(batch)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Rename a published checkpoint's keys to the network's; tested both ways against the published key list."""
        return state_dict

    def aggregate(self, scores: Sequence[SampleScore]) -> Aggregate:
        return Aggregate(scoring.mean_p_fake(scores))

    def region(self, sample: Sample, face: int | None) -> FaceBox | None:
        """Which part of the frame the tensor of `face` shows, for placing heatmaps; None = all of it."""
        return sample.faces[face].box if face is not None else None

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        """(H, W) in [0, 1] over a preprocessed (C, H, W) tensor, and the method's name; occlusion unless overridden."""
        from drishtiksha.explain.occlusion import occlusion

        return occlusion(self.score, tensor, batch_size=self.config.batch_size), "occlusion"

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        from drishtiksha.explain.maps import to_heatmap

        tensors = self.preprocess(sample)
        face = max(range(len(score.faces)), key=lambda i: score.faces[i].p_fake) if score.faces else None
        tensor = tensors[face or 0]
        if tensor.ndim != 3:  # a waveform, say: only the detector itself knows what a picture of it would be
            return []
        own = self.config.explain == "auto"
        values, method = self.importance(tensor) if own else Detector.importance(self, tensor)
        return [to_heatmap(values, sample, score, method, face=face, region=self.region(sample, face))]

    @property
    def model_name(self) -> str:
        return self.config.model_name or type(self).__name__

    @property
    def network(self) -> nn.Module:
        if self._network is None:
            self.load()
        assert self._network is not None
        return self._network

    def thresholds(self, media: MediaInfo) -> Thresholds:
        stored = self._sidecar.thresholds if self._sidecar else None
        return self.config.thresholds or stored or Thresholds()

    def calibrated(self, media: MediaInfo) -> bool:
        return self._sidecar is not None and self._sidecar.calibration is not None

    def reference(self, media: MediaInfo) -> Reference | None:
        return self._sidecar.reference.get(media.kind) if self._sidecar else None

    @property
    def memory_bytes(self) -> int:
        """Bytes of the loaded weights; 0 before `load`."""
        if self._network is None:
            return 0
        tensors = (*self._network.parameters(), *self._network.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def load(self) -> Self:
        """Fetch nothing; verify, remap and strictly load the checkpoint, check the canary, move to the device.

        Raises: WeightsMissingError, WeightsMismatchError, ConfigError.
        """
        import torch

        device = resolve_device(self.config.device)
        path = Path(self.config.model_path)
        tensors = load_state_dict(path, remedy(self.model_name, path, self.config.weights))
        self._sidecar = read_sidecar(path)
        expected = self.config.weights.sha256 or (self._sidecar.sha256 if self._sidecar else None)
        if expected:
            verify(path, expected)
        self._checkpoint_sha256 = expected or sha256_of(path)
        with torch.device("meta" if self.build_on_meta else "cpu"):
            network = self.build()
        load_into(network, self.remap(tensors), self.model_name)
        network.eval().requires_grad_(False)
        self._network = network
        self._check_canary()
        network.to(memory_format=torch.channels_last).to(device)
        return self

    def _check_canary(self) -> None:
        """Raises: WeightsMismatchError when a fixed input no longer gives the stored logits."""
        import torch

        canary = self._sidecar.canary if self._sidecar else None
        if canary is None:
            return
        noise = torch.randn(canary.shape, generator=torch.Generator().manual_seed(canary.seed))
        with torch.inference_mode():
            logits = self.forward(noise).numpy()
        if not np.allclose(logits, canary.logits, atol=canary.tolerance, rtol=0):
            self._network = None
            raise WeightsMismatchError(
                f"{self.model_name} gives {logits.round(3).tolist()} on its test input, wanted {list(canary.logits)}. "
                "Its code and its checkpoint do not belong together; install one release of both."
            )

    def score(self, batch: Tensor) -> np.ndarray:
        """Calibrated p_fake (B,) of preprocessed tensors (B, ...), on the detector's device and dtype."""
        import torch

        device = self._device()
        layout = torch.channels_last if batch.ndim == 4 else torch.contiguous_format
        batch = batch.to(device=device, memory_format=layout)
        half = self.config.dtype == "bfloat16"
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits = self.forward(batch)
        values = logits.float().cpu().numpy()
        calibration = self._sidecar.calibration if self._sidecar else None
        return (
            scoring.calibrate(values, calibration.scale, calibration.offset)
            if calibration
            else scoring.calibrate(values)
        )

    def analyze(
        self,
        media_path: str | Path,
        reporter: Reporter = silent,
        cancel: CancelToken | None = None,
        *,
        explain: bool = True,
    ) -> AnalysisResult:
        """Examine one file, loading the weights when that was not done yet.

        Raises: MediaError and its kinds, WeightsError and its kinds, AnalysisCancelledError.
        """
        from drishtiksha.analysis import analyze
        from drishtiksha.media.evidence import Evidence

        evidence = Evidence.open(Path(media_path), MediaLimits())
        return analyze(evidence, self, reporter, cancel, explain=explain)

    def run_facts(self) -> dict[str, Any]:
        """Where and on which checkpoint the scores were made, for the result's provenance."""
        config = self.config.model_dump(mode="json") | {"model_path": Path(self.config.model_path).name}
        return {
            "device": str(self._device()),
            "dtype": self.config.dtype,
            "checkpoint_sha256": self._checkpoint_sha256,
            "config": config,
        }

    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def resolve_device(wanted: str) -> torch.device:
    """`auto` is cuda, else mps, else cpu. Raises: ConfigError for one that this machine does not have."""
    import torch

    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ConfigError(f"{wanted!r} is not a device; choose auto, cpu, cuda, cuda:0 or mps.") from error
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(device.type, False):
        raise ConfigError(f"This machine has no {wanted}; choose device: auto or cpu.")
    return device
