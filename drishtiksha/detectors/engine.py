"""Networks computed by ONNX Runtime instead of torch, where that was proven to give the same scores sooner.

A network is exported once for each checkpoint, version and machine, held against torch on examples and timed beside it.
The export and what was found lie in a folder of the program's own: no ONNX file that a person brings is ever run.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.device import out_of_memory
from drishtiksha.detectors.trial import inputs_of_examples
from drishtiksha.weights import sha256_of

if TYPE_CHECKING:
    from torch import Tensor


NEEDED = ("onnxruntime", "onnx", "onnxscript")
"""Packages of the extra `onnx`: the first computes, torch's exporter asks for the others."""
LEAST_GAIN = 1.3
"""Times as fast as torch: below it a second copy of the weights in memory is not worth it."""
MOST_P_FAKE = 0.001
"""How far the scores of both may lie apart."""
CLOSE, CLOSE_SHARE = 1e-3, 1e-3
"""The same of what the network gives, absolutely and by its size: p_fake alone tells nothing where it is nearly 0 or 1."""
ROUNDS = 3
"""In which both compute the same batch in turn; the fastest of each counts."""
MOST_PROOFS = 4
"""Samples that both are held against each other on."""
MOST_WEIGHT_BYTES = 1_500_000_000
"""Larger networks stay in torch: an ONNX file of one piece holds at most 2 GB, and exporting takes three times its weights."""
CACHE_BYTES, CACHE_ENTRIES = 4_000_000_000, 200
"""How much the folder holds; what was not used for longest goes first."""
PATIENCE_S = 600.0
"""How long to wait for another process that exports the same network."""
INPUT = "batch"

_exporting = threading.Lock()
"""The exporter keeps state of its own for the whole process."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """What is stored beside an export. why: the reason to stay with torch; empty: the engine is used. names: of what the
    network gives beyond its logits; None: it gives features alone. shape: of a sample. gain: times as fast as torch."""

    why: str = ""
    sha256: str = ""
    names: tuple[str, ...] | None = None
    shape: tuple[int, ...] = ()
    gain: float = 0.0
    difference: float = 0.0


class OnnxEngine:
    """One network in ONNX Runtime. Safe to share between threads."""

    def __init__(self, path: Path, finding: Finding) -> None:
        """Raises: whatever ONNX Runtime raises for a file that it cannot run."""
        import onnxruntime
        import torch

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # Its threads would keep processors busy between batches, which decoding has a use for.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._finding = finding
        self.part = "features" if finding.names is None else "detailed"
        self.memory_bytes = path.stat().st_size
        self.batch_size = 0
        self.name = f"onnxruntime {onnxruntime.__version__}"

    def __call__(self, work: Callable[[Tensor], Any], batch: Tensor) -> Any:
        """As `work(batch)`, which computes batches of samples of another shape than the proven ones."""
        import torch

        if tuple(batch.shape[1:]) != self._finding.shape:
            return work(batch)
        found = self._session.run(None, {INPUT: np.ascontiguousarray(batch.numpy())})
        first, *further = (torch.from_numpy(values) for values in found)
        if self._finding.names is None:
            return first
        return first, dict(zip(self._finding.names, further, strict=True))


def replaced(detector: Detector) -> Callable[[Tensor], Any]:
    """Which of its computations an engine takes over: that of each frame of a sequence, else all from batch to logit."""
    return detector.detailed if type(detector).features is Detector.features else detector.features


def find_engine(detector: Detector, folder: Path) -> tuple[OnnxEngine | None, str]:
    """An engine for a loaded detector on the CPU, else why there is none. Exports and proves it where that was not done."""
    if why := _unfit(detector):
        return None, why
    try:
        from filelock import FileLock, Timeout

        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{_key(detector)}.onnx"
        with FileLock(path.with_suffix(".lock"), timeout=PATIENCE_S):
            engine, finding = _stored(path) or _made(detector, path)
        _forget_unused(folder, keep=path)
    except (OSError, Timeout) as error:
        return None, f"the network could not be kept in {folder.name}: {error}"
    except Exception as error:
        if not out_of_memory(error):
            raise
        return None, "there was not enough memory to export the network"
    return engine, finding.why


def _unfit(detector: Detector) -> str:
    """Why an engine is not even tried."""
    facts = detector.run_facts()
    if facts["device"] != "cpu":
        return f"it computes on the CPU alone, and this model runs on {facts['device']}"
    if facts["dtype"] != "float32":
        return f"this processor computes {facts['dtype']} sooner"
    if absent := [name for name in NEEDED if find_spec(name) is None]:
        return f"{', '.join(absent)} is not installed: pip install 'drishtiksha[onnx]'"
    if detector.memory_bytes > MOST_WEIGHT_BYTES:
        return f"its weights take more than {MOST_WEIGHT_BYTES / 1e9:g} GB"
    return ""


def _key(detector: Detector) -> str:
    """Hex digits that change with all that the export, the proof and the speed depend on."""
    import onnxruntime
    import torch

    from drishtiksha.analysis.recipe import code_sha256

    source = inspect.getsourcefile(type(detector))
    parts = [
        detector.recipe(),
        code_sha256(),
        sha256_of(Path(source)) if source else "",
        torch.__version__,
        onnxruntime.__version__,
        torch.get_num_threads(),
        torch.backends.cpu.get_cpu_capability(),
        platform.processor(),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _stored(path: Path) -> tuple[OnnxEngine | None, Finding] | None:
    """What an earlier process found; None where nothing is stored, or not what was written."""
    try:
        fields = json.loads(path.with_suffix(".json").read_bytes())
        names = None if fields["names"] is None else tuple(fields["names"])
        finding = Finding(**fields | {"names": names, "shape": tuple(fields["shape"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    os.utime(path.with_suffix(".json"))
    if finding.why:
        return None, finding
    if not path.is_file() or sha256_of(path) != finding.sha256:
        return None
    return OnnxEngine(path, finding), finding


def _made(detector: Detector, path: Path) -> tuple[OnnxEngine | None, Finding]:
    """Export, prove and time; what was found is stored."""
    beside = path.with_suffix(".new")
    try:
        engine, finding = _tried(detector, beside)
        if finding.why:
            engine = None
            path.unlink(missing_ok=True)
        else:
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    told = finding.why or f"ONNX Runtime is {finding.gain:.1f} times as fast as torch"
    log.info("%s: %s", detector.model_name, told)
    beside.write_text(json.dumps(asdict(finding)), encoding="utf-8")
    beside.replace(path.with_suffix(".json"))
    return engine, finding


def _tried(detector: Detector, path: Path) -> tuple[OnnxEngine | None, Finding]:
    batch = _proof_batch(detector)
    if batch is None:
        return None, Finding("no example that ships with the program suits this model, so nothing could be compared")
    work = replaced(detector)
    given = detector._work_at_once(work, batch)
    expected, shape = _flat(given), tuple(batch.shape[1:])
    names = tuple(given[1]) if isinstance(given, tuple) else None
    try:
        _export(detector, work, batch, path)
        engine = OnnxEngine(path, Finding(names=names, shape=shape))
        found = _flat(detector._work_at_once(partial(engine, work), batch))
    except Exception as error:  # the exporter raises as many kinds as torch has operators
        if out_of_memory(error):
            raise
        log.info("%s cannot be exported", detector.model_name, exc_info=error)
        return None, Finding(f"its network cannot be exported ({type(error).__name__})")
    close = all(
        found[name].shape == values.shape and np.allclose(found[name], values, atol=CLOSE, rtol=CLOSE_SHARE)
        for name, values in expected.items()
    )
    difference = _score_difference(detector, engine, batch) if close else 1.0
    if difference > MOST_P_FAKE:
        return None, Finding("it does not give the scores of torch", difference=difference)
    gain = _gain(detector, engine, batch)
    slow = f"it is {gain:.1f} times as fast as torch here, less than {LEAST_GAIN:g}" if gain < LEAST_GAIN else ""
    return engine, Finding(slow, sha256_of(path), names, shape, round(gain, 2), difference)


def _proof_batch(detector: Detector) -> Tensor | None:
    """Samples of the examples, the same with their numbers in another order, and those of the canary, up to `MOST_PROOFS`."""
    import torch

    seen = inputs_of_examples(detector, replaced(detector))
    generator = torch.Generator().manual_seed(0)
    canary = detector.canary_input()
    if not seen and canary is None:
        return None
    one = seen[0] if seen else canary[0]  # type: ignore[index]
    samples = [sample for sample in seen if sample.shape == one.shape][: MOST_PROOFS - 2]
    if canary is not None and canary.shape[1:] == one.shape:
        samples += list(canary[: MOST_PROOFS - 1 - len(samples)])
    samples.append(one.flatten()[torch.randperm(one.numel(), generator=generator)].view(one.shape))
    return torch.stack(samples)


def _export(detector: Detector, work: Callable[[Tensor], Any], batch: Tensor, path: Path) -> None:
    """Write the network to `path` for batches of any size. Raises: whatever the exporter raises."""
    import torch

    class Part(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = detector.network

        def forward(self, batch: Tensor) -> tuple[Tensor, ...]:
            return tuple(_flat_tensors(work(batch)).values())

    dynamic = ({0: torch.export.Dim("count", min=1, max=4096)},)
    with _exporting, torch.no_grad():
        torch.onnx.export(
            Part().eval(),
            (batch[:2].clone(),),
            path,
            input_names=[INPUT],
            dynamic_shapes=dynamic,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _flat_tensors(found: Any) -> Mapping[str, Tensor]:
    """What `features` or `detailed` gives, by name."""
    return {"": found[0], **found[1]} if isinstance(found, tuple) else {"": found}


def _flat(found: Any) -> dict[str, np.ndarray]:
    return {name: values.float().numpy() for name, values in _flat_tensors(found).items()}


def _score_difference(detector: Detector, engine: OnnxEngine, batch: Tensor) -> float:
    """The largest of p_fake between both, sample by sample."""
    plain = detector.score_alone(batch)
    with detector.computing_with(engine):
        quick = detector.score_alone(batch)
    return float(np.abs(plain - quick).max())


def _gain(detector: Detector, engine: OnnxEngine, batch: Tensor) -> float:
    """How many times as fast as torch, by the lesser of wall clock and CPU time: on a busy machine the first errs by what
    else runs, the second by threads that wait."""
    work = replaced(detector)
    works: Sequence[Callable[[Tensor], Any]] = (work, partial(engine, work))
    least = np.full((2, 2), np.inf)
    for _ in range(ROUNDS):
        for place, work in enumerate(works):
            wall, cpu = time.perf_counter(), time.process_time()
            detector._work_at_once(work, batch)
            least[place] = np.minimum(least[place], (time.perf_counter() - wall, time.process_time() - cpu))
    return float((least[0] / np.maximum(least[1], 1e-9)).min())


def _forget_unused(folder: Path, keep: Path) -> None:
    """Delete what was not used for longest beyond `CACHE_BYTES` and `CACHE_ENTRIES`."""
    with suppress(OSError):  # another process may be at the same
        findings = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        total = 0
        for number, finding in enumerate(findings):
            export = finding.with_suffix(".onnx")
            total += export.stat().st_size if export.is_file() else 0
            if export != keep and (total > CACHE_BYTES or number >= CACHE_ENTRIES):
                for file in (finding, export, finding.with_suffix(".lock")):
                    file.unlink(missing_ok=True)
