"""What every detector shares: loading and proving the weights, scoring a batch, and working alone."""

from __future__ import annotations

import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from drishtiksha import scoring
from drishtiksha.contract import (
    CURVE,
    Aggregate,
    DetectorConfig,
    EncodedFrame,
    FaceRequest,
    FramePlan,
    Reference,
    Sample,
    SamplingPlan,
    Window,
)
from drishtiksha.detector_config import SCORELESS_FIELDS
from drishtiksha.detectors.device import (
    batch_that_fits,
    forget_peak,
    give_back_memory,
    has_bfloat16,
    keep_freed_memory,
    keep_in_bfloat16,
    out_of_memory,
    resolve_device,
)
from drishtiksha.errors import ConfigError, ModelFailedError, WeightsMismatchError
from drishtiksha.events import CancelToken, Reporter, silent
from drishtiksha.results import TORCH, AnalysisResult, FaceBox, GapReason, Heatmap, MediaInfo, SampleScore, Thresholds
from drishtiksha.settings import MediaLimits
from drishtiksha.weights import (
    Sidecar,
    fitted,
    licence_class,
    licences,
    load_content,
    load_into,
    load_state_dict,
    pin_parts,
    prove_parts,
    read_sidecar,
    remedy,
    require,
    used_parts,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

NO_ROOM = (
    "The memory of {} was not enough for {}, so the CPU judged this file or the rest of it: the scores are the same within 0.01, "
    "and it takes longer."
)


_moving = threading.Lock()
"""Files that are judged at the same time share one detector on the CPU, where the GPU has no room."""


class Engine(Protocol):
    """Another way to compute a method of a detector. part: the name of that method. batch_size: samples that are best given to
    it at a time; 0 where it does not measure that."""

    part: str
    name: str
    memory_bytes: int
    batch_size: int

    def __call__(self, work: Callable[[Tensor], Any], batch: Tensor) -> Any:
        """As `work(batch)`, `work` being that method."""


class Detector(ABC):
    """A recipe: what to decode, which network, how a sample becomes tensors. Not changed by anything after `load`."""

    Config: ClassVar[type[DetectorConfig]] = DetectorConfig
    build_on_meta: ClassVar[bool] = True
    """Whether `build` can run without memory, so that weights are not first filled with noise."""
    fold_batch_norms: ClassVar[bool] = False
    """Whether each norm follows the convolution defined before it, so that they can be one: the same logits sooner."""

    def __init__(self, config: DetectorConfig) -> None:
        self.config: Any = config
        self._network: nn.Module | None = None
        self._sidecar: Sidecar | None = None
        self._hashes: dict[str, str] = {}
        self._dtype = "float32"
        self.load_seconds: float | None = None
        self.remark = ""
        """What a reader of its results must know of where it runs."""
        self.engine: Engine | None = None
        """What stands for a part of its network; None: torch computes all of it."""
        self.engine_note = ""
        """Why there is none, where one was asked for."""
        self._twin: Callable[[], Detector | None] = lambda: None
        """That on the CPU, while any file is judged by it."""

    @abstractmethod
    def sampling(self, media: MediaInfo) -> SamplingPlan: ...

    @abstractmethod
    def build(self) -> nn.Module:
        """The network, without weights and without asking any hub."""

    @abstractmethod
    def preprocess(self, sample: Sample) -> list[Tensor]: ...

    def frames(self, count: int | None, sparse: int = 8, faces: FaceRequest | None = None) -> FramePlan:
        """Evenly spaced frames, more of a longer video, as the configuration says."""
        most = None if count is None else count * self.config.growth
        return FramePlan(count, sparse, faces, self.config.every_s, most)

    def forward(self, batch: Tensor) -> Tensor:
        """Fake logits (B,). A checkpoint of the other polarity is turned around here and nowhere else."""
        return self.network(batch)

    def remap(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Rename a published checkpoint's keys to the network's; tested both ways against the published key list."""
        return state_dict

    def merge(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Add or fold in the tensors of companion files, after `remap`."""
        return state_dict

    def own_part(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What of a network's tensors the checkpoint itself brings: all but those of companions."""
        companions = tuple(f"{name}." for name in self.config.companions)
        return {key: tensor for key, tensor in state_dict.items() if not key.startswith(companions)}

    def packable(self, network: nn.Module) -> Sequence[nn.Module]:
        """Parts whose linear layers may be packed when they are in bfloat16: what no gradient goes through."""
        return ()

    def detailed(self, batch: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Fake logits (B,), and what else the network says of each of the batch, by name (B,). `CURVE` is the name of fake
        logits over the time of each, (B, n)."""
        return self.forward(batch), {}

    def features(self, batch: Tensor) -> Tensor:
        """What `forward` needs of each frame of a `SequencePlan`: (B, ...); the preprocessed frame itself by default."""
        return batch

    def windows(self, frames: Sequence[EncodedFrame]) -> list[Window]:
        """All frames as one sequence, unless a detector looks at shorter ones."""
        return [Window(tuple(range(len(frames))), whole=True)] if frames else []

    def frame_metrics(self, frames: Sequence[EncodedFrame]) -> Mapping[str, float | int | str | None]:
        """What the frames of a `SequencePlan` tell by their measures, all of them taken together."""
        return {}

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        return Aggregate(scoring.mean_p_fake(scores) if whole is None else whole)

    def foremost(self, p_fakes: Sequence[float], measures: Sequence[Mapping[str, float]]) -> int:
        """Which of the faces of a sample its score and measures are those of: the most suspicious one."""
        return max(range(len(p_fakes)), key=p_fakes.__getitem__)

    def unjudged(self) -> GapReason | None:
        """Why what it measures must not be read as a score; None: it may."""
        return None

    def region(self, sample: Sample, face: int | None) -> FaceBox | None:
        """Which part of the frame the tensor of `face` shows, for placing heatmaps; None = all of it."""
        return sample.faces[face].box if face is not None else None

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        """(H, W) in [0, 1] over a preprocessed (C, H, W) tensor, and the method's name; occlusion unless overridden."""
        from drishtiksha.explain.occlusion import occlusion

        return occlusion(self.score_alone, tensor, batch_size=self.config.batch_size), "occlusion"

    def attended(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        """`importance` of a transformer with a `grid` of patches: what its class token attended to."""
        from drishtiksha.explain.attention import attention_map

        network: Any = self.network
        return self._work(lambda batch: attention_map(network, batch, network.grid), tensor[None]), "attention"

    def raised(
        self, tensor: Tensor, maps: Callable[[Tensor], Tensor], judge: Callable[[Tensor], Tensor]
    ) -> tuple[np.ndarray, Any]:
        """`importance` of a network in two halves, (B, C, H, W) to feature maps to fake logits: Grad-CAM."""
        from drishtiksha.explain.gradcam import gradcam

        return gradcam(maps, judge, tensor[None].to(self._device()))[0], "gradcam"

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
        """Those of the configuration, else of the sidecar. Where the sidecar shows a detector blind to kinds of fakes that it
        never trained on, they do not clear."""
        stored = self._sidecar.thresholds if self._sidecar else None
        unknown = self._sidecar.unknown_kinds if self._sidecar else None
        found = self.config.thresholds or stored or Thresholds()
        return found.model_copy(update={"clears": False}) if unknown and unknown.blind else found

    def calibrated(self, media: MediaInfo) -> bool:
        return self._sidecar is not None and self._sidecar.calibration is not None

    def reference(self, media: MediaInfo) -> Reference | None:
        return self._sidecar.reference_of(media.kind) if self._sidecar else None

    @property
    def parameters(self) -> int:
        """How many numbers the loaded network has learnt; 0 before `load`."""
        return 0 if self._network is None else sum(tensor.numel() for tensor in self._network.parameters())

    @property
    def memory_bytes(self) -> int:
        """Bytes of the loaded weights, also of those that an engine holds once more; 0 before `load`."""
        if self._network is None:
            return 0
        tensors = (*self._network.parameters(), *self._network.buffers())
        own = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return own + (self.engine.memory_bytes if self.engine else 0)

    def companion_path(self, name: str) -> Path | None:
        """Where a further file lies; None when it is not configured or not on this machine."""
        companion = self.config.companions.get(name)
        return companion.path if companion is not None and companion.path.is_file() else None

    def read_companion(self, name: str) -> Any:
        """What a further checkpoint holds; tensors are memory-mapped. `load` has proven its hash.

        Raises: ConfigError when none is configured; WeightsMissingError, WeightsMismatchError.
        """
        companion = self.config.companions.get(name)
        if companion is None:
            raise ConfigError(f"{self.model_name} needs a companion called {name!r}; add it in configs/config.yaml.")
        return load_content(companion.path, remedy(self.model_name, companion.path, companion.weights, name))

    def read_network(self, path: Path) -> nn.Module:
        """The network with the weights of `path` and of its companions, loaded strictly.

        Raises: WeightsMissingError, WeightsMismatchError.
        """
        import torch

        tensors = load_state_dict(path, remedy(self.model_name, path, self.config.weights))
        with torch.device("meta" if self.build_on_meta else "cpu"):
            network = self.build()
        own = fitted(tensors, self.own_part(network.state_dict()), self.remap, self.model_name)
        load_into(network, self.merge(own), self.model_name)
        if self.fold_batch_norms:
            from drishtiksha.networks.fuse import fuse_batch_norms

            fuse_batch_norms(network.eval())
        return network

    def load(self) -> Self:
        """Fetch nothing; verify, remap and strictly load the checkpoint, check the canary, move to the device.

        Raises: WeightsMissingError, WeightsMismatchError, ConfigError.
        """
        import torch

        started = time.perf_counter()
        keep_freed_memory()
        device = self.runs_on
        path = Path(self.config.model_path)
        require(path, remedy(self.model_name, path, self.config.weights), self.config.weights)
        self._sidecar = read_sidecar(path)
        hashes = prove_parts(self.config, self._sidecar)
        self._hashes = dict(hashes)
        network = self.read_network(path).eval().requires_grad_(False)
        pin_parts(self.config, hashes)
        self._network = network
        self._check_canary()
        if self.config.dtype == "bfloat16" and has_bfloat16(device):
            keep_in_bfloat16(network)
            if device.type == "cpu":
                from drishtiksha.networks.packed import pack_linears

                for part in self.packable(network):
                    pack_linears(part)
            self._dtype = "bfloat16"
        if all(parameter.ndim < 5 for parameter in network.parameters()):  # convolutions over time have no such layout
            network.to(memory_format=torch.channels_last)
        network.to(device)
        self.load_seconds = time.perf_counter() - started
        return self

    def borrow(self, path: Path) -> Self:
        """Load the network from `path` instead of its own place, on the CPU; nothing is proven or pinned.

        Raises: as `read_network`.
        """
        self._network = self.read_network(path).eval().requires_grad_(False)
        return self

    @contextmanager
    def computing_with(self, engine: Engine | None) -> Iterator[None]:
        """Scores within the block are those of another engine; None: of torch. For one thread alone."""
        own, self.engine = self.engine, engine
        try:
            yield
        finally:
            self.engine = own

    def canary_input(self) -> Tensor | None:
        """The fixed input whose logits the sidecar holds, if it does."""
        import torch

        canary = self._sidecar.canary if self._sidecar else None
        if canary is None:
            return None
        return torch.randn(canary.shape, generator=torch.Generator().manual_seed(canary.seed))

    def _check_canary(self) -> None:
        """Raises: WeightsMismatchError when a fixed input no longer gives the stored logits."""
        import torch

        canary, noise = self._sidecar.canary if self._sidecar else None, self.canary_input()
        if canary is None or noise is None:
            return
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
        return self.judge(batch)[0]

    def score_each(self, tensors: Sequence[Tensor]) -> np.ndarray:
        """p_fake (n,) of preprocessed tensors, in batches."""
        import torch

        size = self.config.batch_size
        batches = [torch.stack(list(tensors[start : start + size])) for start in range(0, len(tensors), size)]
        return np.concatenate([self.score(batch) for batch in batches])

    def score_alone(self, batch: Tensor) -> np.ndarray:
        """p_fake (B,) of preprocessed tensors, each as if it was the whole file; sequences override it."""
        return self.score(batch)

    def judge(self, batch: Tensor) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Raises: ModelFailedError for logits that are no score."""
        logits, further = self._work(self._quickest(self.detailed), batch)
        found = {name: values.float().cpu().numpy() for name, values in further.items()}
        if CURVE in found:
            found[CURVE] = self.p_fake_of(found[CURVE])
        return self.p_fake_of(self._sound_logits(logits, len(batch))), found

    def p_fake_of(self, logits: np.ndarray) -> np.ndarray:
        """p_fake of fake logits of any shape, calibrated where the checkpoint's sidecar says how."""
        calibration = self._sidecar.calibration if self._sidecar else None
        scale, offset = (calibration.scale, calibration.offset) if calibration else (1.0, 0.0)
        return scoring.calibrate(logits, scale, offset)

    def _sound_logits(self, logits: Tensor, count: int) -> np.ndarray:
        """float32 (count,). Raises: ModelFailedError for another number of logits, and for one that is not finite."""
        values = logits.float().cpu().numpy()
        if len(values) != count:
            raise ModelFailedError(
                f"{self.model_name} gave {len(values)} logits for a batch of {count}. That is a fault of its code: its author "
                "must return one for each."
            )
        if not np.isfinite(values).all():
            raise ModelFailedError(
                f"{self.model_name} computed no number for a part of this file, so it has no score. Another model may "
                "judge it; where it happens with every file, the weights of this one are at fault."
            )
        return values

    def encode(self, batch: Tensor) -> Tensor:
        return self._work(self._quickest(self.features), batch).float().cpu()

    def _quickest(self, work: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
        """`work`, a method, or the engine that stands for it."""
        if self.engine is None or work != getattr(self, self.engine.part):
            return work
        return partial(self.engine, work)

    def elsewhere(self, error: Exception) -> Detector | None:
        """This detector on the CPU, where `error` says that its own device has not enough memory; None otherwise.

        Raises: as `load`.
        """
        if self.runs_on.type == "cpu" or not out_of_memory(error):
            return None
        with _moving:
            twin = self._twin()
            if twin is None:
                twin = self.on_cpu()
                self._twin = weakref.ref(twin)
            return twin

    def on_cpu(self) -> Detector:
        """Another detector of this model, loaded on the CPU, since the device of this one has no room. Raises: as `load`."""
        give_back_memory(self.runs_on)
        twin = type(self)(self.config.model_copy(update={"device": "cpu"}))
        twin.remark = NO_ROOM.format(self.runs_on, self.model_name)
        return twin.load()

    def batch_size_after(self, judged: int) -> int:
        """How many samples at a time are best from now on: those of the configuration, or as many as a GPU has room for."""
        measured = self.engine.batch_size if self.engine is not None else 0
        return max(self.config.batch_size, measured or batch_that_fits(self._device(), judged))

    def _work(self, work: Callable[[Tensor], Any], batch: Tensor) -> Any:
        """`work(batch)` without gradients; where memory is not enough for all of it, for each half by itself."""
        try:
            return self._work_at_once(work, batch)
        except Exception as error:
            if len(batch) < 2 or not out_of_memory(error):
                raise
        # Outside of the handler: until then the error holds on to the tensors that were too many.
        give_back_memory(self._device())
        middle = len(batch) // 2
        return _joined(self._work(work, batch[:middle]), self._work(work, batch[middle:]))

    def _work_at_once(self, work: Callable[[Tensor], Any], batch: Tensor) -> Any:
        """`work(batch)` on the detector's device and in its dtype, without gradients."""
        import torch

        device = self._device()
        if self.engine is None or not self.engine.batch_size:
            forget_peak(device)
        layout = torch.channels_last if batch.ndim == 4 else torch.contiguous_format
        batch = batch.to(device=device, memory_format=layout)
        half = self._dtype == "bfloat16"
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half):
            return work(batch)

    def analyze(
        self,
        media_path: str | Path,
        reporter: Reporter = silent,
        cancel: CancelToken | None = None,
        *,
        explain: bool = True,
    ) -> AnalysisResult:
        """Examine one file within the default `MediaLimits`, loading the weights when that was not done yet.

        Raises: MediaError and its kinds, WeightsError and its kinds, AnalysisCancelledError.
        """
        from drishtiksha.analysis import analyze
        from drishtiksha.media.evidence import Evidence

        evidence = Evidence.open(Path(media_path), MediaLimits())
        return analyze(evidence, self, reporter, cancel, explain=explain)

    def run_facts(self) -> dict[str, Any]:
        """Where and on which checkpoint the scores were made, for the result's provenance."""
        return {
            "device": str(self._device()),
            "dtype": self._dtype,
            "engine": self.engine.name if self.engine else TORCH,
            "engine_note": self.engine_note,
            "checkpoint_sha256": self._hashes.get(""),
            "config": self.config.without_folders(),
            "licence": licences(used_parts(self.config)),
            "licence_class": licence_class(used_parts(self.config)).value,
        }

    def recipe(self) -> dict[str, Any]:
        """All that a score depends on beside the file and the code, as JSON."""
        fields = self.config.without_folders()
        used = {"calibration", "thresholds", "unknown_kinds"}
        sidecar = self._sidecar.model_dump(mode="json", include=used) if self._sidecar else {}
        return {
            "device": str(self._device()),
            "dtype": self._dtype,
            "engine": self.engine.name if self.engine else TORCH,
            "files": self._hashes,
            "sidecar": sidecar,
            "config": {name: value for name, value in fields.items() if name not in SCORELESS_FIELDS},
        }

    @property
    def runs_on(self) -> torch.device:
        """The device of its configuration. Raises: ConfigError for one that this machine does not have."""
        return resolve_device(self.config.device)

    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def _joined(first: Any, second: Any) -> Any:
    """What `work` gave for two halves of a batch, as for the whole: tensors (B, ...), by name or in a tuple too."""
    import torch

    if isinstance(first, Mapping):
        return {name: _joined(values, second[name]) for name, values in first.items()}
    if isinstance(first, tuple):
        return tuple(_joined(one, other) for one, other in zip(first, second, strict=True))
    return torch.cat([first, second])
