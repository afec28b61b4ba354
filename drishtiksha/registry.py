"""The registry: which detectors there are, which models are configured, and which are loaded.

Adding a detector takes one file in `drishtiksha/detectors/` (or a plug-in) and one entry in `configs/config.yaml`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from drishtiksha.contract import DetectorConfig
from drishtiksha.detector_config import LicenceClass
from drishtiksha.detectors.base import Detector
from drishtiksha.detectors.device import give_back_memory, out_of_memory
from drishtiksha.detectors.discovery import discover, plugins
from drishtiksha.errors import ConfigError, DrishtikshaError, ModelRegistryError, WeightsMismatchError, hide_folders
from drishtiksha.results import MediaInfo, MediaKind
from drishtiksha.settings import Settings
from drishtiksha.weights import (
    DownloadProgress,
    Part,
    WeightsState,
    bytes_of,
    fetchable,
    licence_class,
    parts,
    pull,
    remedy,
    state,
    used_parts,
)

if TYPE_CHECKING:
    from drishtiksha.detectors.joined import Together

log = logging.getLogger(__name__)

State = Literal["loaded", "ready", "missing", "broken"]
REMOVED = {
    "FACE-SYNTH-LITE-V1": "on pictures by real generators it was worse than chance. For faces that were generated whole, fetch "
    "COMMUNITY-FORENSICS-384 with 'drishtiksha weights pull COMMUNITY-FORENSICS-384'."
}
"""Models that once shipped, and what to use in their place."""


@dataclass(frozen=True)
class ModelStatus:
    """One line of the model list. `remedy` says what to do when the state is `missing` or `broken`."""

    name: str
    state: State
    config: DetectorConfig
    embedded: bool
    remedy: str | None
    licence: str
    licence_class: LicenceClass = LicenceClass.NOT_STATED

    def can_examine(self, media: MediaInfo | None) -> bool:
        """Whether it can run now; on this file, where one is given."""
        return self.state in ("ready", "loaded") and (media is None or self.config.accepts(media))


@dataclass(frozen=True)
class LoadedFacts:
    """What is known of a model while it is loaded, in this process or in a worker."""

    memory_bytes: int
    parameters: int
    device: str
    dtype: str
    load_seconds: float


class ModelManager:
    """Lists the configured models and loads the asked one on first use. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        """Raises: ConfigError that names every bad field of every bad entry."""
        self.settings = settings
        self._registry = discover()
        further = plugins(self._registry, settings.detectors_folder)
        self._registry |= further.detectors
        self._plugin_faults = further.faults
        for fault in further.faults:
            log.warning(fault)
        self.model_configs = _validated(settings, self._registry)
        files = [part.path for config in self.model_configs.values() for part in parts(config)]
        hide_folders(*(file.parent.parent for file in files))
        self._models: dict[str, Detector] = {}
        self.elsewhere: Mapping[str, LoadedFacts] = {}
        """What the workers have loaded, where these are processes of their own."""
        self._used: dict[str, float] = {}
        self._pins: Counter[str] = Counter()
        self._changing = threading.Lock()
        self._loading = {name: threading.Lock() for name in self.model_configs}
        self._together: Together | None = None
        self._warm = threading.Event()
        self._warm.set()

    def get_available_models(self) -> list[str]:
        """The names of all configured models, loaded or not."""
        return list(self.model_configs)

    def get_active_model_configs(self) -> dict[str, DetectorConfig]:
        """Name to validated configuration."""
        return dict(self.model_configs)

    def get_loaded_model_names(self) -> list[str]:
        with self._changing:
            return list(self._models)

    def is_model_loaded(self, name: str) -> bool:
        """Never loads. Raises: ModelRegistryError for a name that is not configured."""
        self._require(name)
        return name in self._models

    def loaded(self, name: str) -> Detector | None:
        """The detector while it is loaded; never loads. Raises: ModelRegistryError for a name that is not configured."""
        self._require(name)
        return self._models.get(name)

    def loaded_facts(self, name: str) -> LoadedFacts | None:
        """What is known of a model while it is loaded here or in a worker; never loads.

        Raises: ModelRegistryError for a name that is not configured.
        """
        detector = self.loaded(name)
        if detector is None:
            return self.elsewhere.get(name)
        facts = detector.run_facts()
        return LoadedFacts(
            memory_bytes=detector.memory_bytes,
            parameters=detector.parameters,
            device=facts["device"],
            dtype=facts["dtype"],
            load_seconds=detector.load_seconds or 0.0,
        )

    def unloaded(self, name: str) -> Detector:
        """A new detector of this model without its weights: what it looks at is known before they are read.

        Raises: ModelRegistryError when the name is not configured or its class is not found.
        """
        config = self._require(name)
        if config.class_name not in self._registry:
            raise ModelRegistryError(self._unknown_class(name))
        return self._registry[config.class_name](config)

    def load_models(self) -> None:
        """Load every configured model. Raises: ModelRegistryError at the first that fails."""
        self.preload(self.model_configs)

    def preload(self, names: Iterable[str]) -> None:
        """Load these now. Raises: ModelRegistryError at the first that fails."""
        for name in names:
            self.load_model(name)

    def load_model(self, name: str) -> Detector:
        """The detector, loaded at the first call only, whatever the number of threads. Raises: ModelRegistryError."""
        self._require(name)
        if (detector := self._touched(name)) is not None:
            return detector
        self._warm.wait()
        with self._loading[name]:
            if (detector := self._touched(name)) is not None:
                return detector
            self._make_room(name, self._file_bytes(name))
            detector = self._load(name)
            with self._changing:
                self._models[name] = detector
                self._used[name] = time.monotonic()
            self._make_room(name, 0)
            return detector

    get_model = load_model

    def compute_together(self, together: Together) -> None:
        """From now on networks compute what several files bring as one batch, those of models that are loaded later too."""
        with self._changing:
            self._together = together
            for detector in self._models.values():
                together.join(detector)

    def warm_up(self) -> None:
        """Build the networks of the models that ship, without weights, so that the first analysis need not wait for what they
        import."""
        import torch

        for status in self.describe():
            if not status.embedded or status.state != "ready":
                continue
            detector = self.unloaded(status.name)
            with torch.device("meta" if detector.build_on_meta else "cpu"):
                detector.build()

    def warm_up_beside(self) -> None:
        """`warm_up` in a thread of its own. Whoever loads a model meanwhile waits for its end: threads that import parts of one
        library at once may find it half made."""

        def work() -> None:
            try:
                self.warm_up()
            except Exception:  # whoever loads that model is told
                log.info("The networks could not be warmed up", exc_info=True)
            finally:
                self._warm.set()

        self._warm.clear()
        threading.Thread(target=work, name="warm-up", daemon=True).start()

    @contextmanager
    def use(self, name: str) -> Iterator[Detector]:
        """Pin a model while it works, so that no memory pressure takes it. Raises: ModelRegistryError."""
        self._require(name)
        with self._changing:
            self._pins[name] += 1
        try:
            yield self.load_model(name)
        finally:
            with self._changing:
                self._pins[name] -= 1

    def unload(self, name: str) -> None:
        """Forget a loaded model; nothing happens when it is not loaded.

        Raises: ModelRegistryError while it is at work.
        """
        self._require(name)
        with self._loading[name], self._changing:
            if self._pins[name]:
                raise ModelRegistryError(f"{name} is at work; unload it when its analysis has ended.")
            self._models.pop(name, None)
            self._used.pop(name, None)

    def pull(self, name: str, progress: DownloadProgress | None = None) -> None:
        """Fetch every file of a model that is not on this machine yet; `progress` is told of one after the other.

        Raises: ModelRegistryError for a name that is not configured; DownloadError, WeightsMismatchError.
        """
        for part in self.missing(name):
            if fetchable(part.source) or not part.optional:
                pull(part.source, part.path, progress)

    def missing(self, name: str) -> list[Part]:
        """The files of a model that are not on this machine, optional ones last.

        Raises: ModelRegistryError for a name that is not configured.
        """
        files = sorted(parts(self._require(name)), key=lambda part: part.optional)
        return [part for part in files if state(part.path, part.source) is WeightsState.MISSING]

    def import_file(self, name: str, given: Path, part: str = "", *, force: bool = False) -> Path:
        """Take in a file (or model folder) that a person fetched, once it fits the network; where it now lies.

        part: the companion that it is. force: also in place of another file.

        Raises: ModelRegistryError when name, class or companion is not configured; WeightsMismatchError; DownloadError.
        """
        from drishtiksha.detectors.fitting import owners, take_in

        detector, config = self.unloaded(name), self._require(name)
        place = next((p for p in parts(config) if p.name == part), None)
        if place is None:
            known = ", ".join(config.companions) or "none"
            raise ModelRegistryError(f"{name} has no companion called {part!r}. Configured: {known}.")
        try:
            take_in(detector, given, place, force=force)
        except WeightsMismatchError as error:
            if type(error) is not WeightsMismatchError or not given.is_file():
                raise
            found = owners(self._all_unloaded(), given)
            if not found or name in found:
                raise
            fits = f"It fits {' and '.join(found[:2])}: drishtiksha weights import {given} {found[0]}"
            raise WeightsMismatchError(f"{error} {fits}") from error
        return place.path

    def _all_unloaded(self) -> dict[str, Detector]:
        known = (name for name, config in self.model_configs.items() if config.class_name in self._registry)
        return {name: self.unloaded(name) for name in known}

    def default_model(self, media: MediaInfo, track: int | None = None) -> str:
        """The first model that can examine such a file now, those that look at its picture before those that listen; of a
        chosen track, one that looks or listens as it takes. Experimental and retired ones are for a person to choose.

        Raises: ModelRegistryError when there is none.
        """
        proven = [s for s in self.describe() if s.can_examine(media) and s.config.proven]
        if track is not None and media.kind is MediaKind.VIDEO:
            proven = [s for s in proven if s.config.only_hears(media) is media.is_sound(track)]
        if not proven:
            raise ModelRegistryError(
                f"No model that is ready examines {media.name}. Choose one of `drishtiksha models`."
            )
        return min(proven, key=lambda status: status.config.only_hears(media)).name

    def describe(self) -> list[ModelStatus]:
        """Every configured model with its state and, where one is needed, its remedy. Loads nothing."""
        return [self.status(name) for name in self.model_configs]

    def status(self, name: str) -> ModelStatus:
        """Raises: ModelRegistryError for a name that is not configured."""
        config = self._require(name)
        embedded = state(config.model_path, config.weights) is WeightsState.EMBEDDED
        absent = [part for part in self.missing(name) if not part.optional]
        cure: str | None = None
        now: State = "loaded" if name in self._models or name in self.elsewhere else "ready"
        if config.class_name not in self._registry:
            now, cure = "broken", self._unknown_class(name)
        elif now == "ready" and absent:
            cures = dict.fromkeys(remedy(name, part.path, part.source, part.name) for part in absent)
            now, cure = "missing", " ".join(cures)
        kind = licence_class(used_parts(config))
        return ModelStatus(name, now, config, embedded, cure, config.weights.licence, kind)

    def _require(self, name: str) -> DetectorConfig:
        if name not in self.model_configs:
            if name in REMOVED:
                raise ModelRegistryError(f"{name} was removed: {REMOVED[name]}")
            known = ", ".join(self.model_configs) or "none"
            raise ModelRegistryError(f"No model is called {name!r}. Configured: {known}.")
        return self.model_configs[name]

    def _unknown_class(self, name: str) -> str:
        wanted, known = self.model_configs[name].class_name, ", ".join(sorted(self._registry))
        told = [
            f"{name} asks for class {wanted!r}, which no file in drishtiksha/detectors/ and no plug-in defines. Check class_name. "
            f"Known: {known}.",
            *self._plugin_faults,
        ]
        return " ".join(told)

    def _touched(self, name: str) -> Detector | None:
        """The detector while it is loaded, noted as used now. One look, since another thread may evict it."""
        with self._changing:
            detector = self._models.get(name)
            if detector is not None:
                self._used[name] = time.monotonic()
            return detector

    def _load(self, name: str) -> Detector:
        detector = self.unloaded(name)
        try:
            detector = self._where_it_fits(detector)
            if detector.config.engine == "onnx":
                from drishtiksha.detectors.engine import find_engine

                detector.engine, detector.engine_note = find_engine(detector, self.settings.engines_dir)
            if self._together is not None:
                self._together.join(detector)
            return detector
        except DrishtikshaError as error:
            raise ModelRegistryError(f"{name} could not be loaded. {error}") from error
        except Exception as error:  # its network and the libraries that build it may raise anything
            why = f"{type(error).__name__}: {error}"
            raise ModelRegistryError(
                f"{name} could not be loaded ({why}). Check its fields in configs/config.yaml and its files."
            ) from error

    def _where_it_fits(self, detector: Detector) -> Detector:
        """It, loaded. Where its device has no room, what is idle makes room; where that is not enough, the CPU takes it."""
        try:
            return detector.load()
        except Exception as error:
            if detector.runs_on.type == "cpu" or not out_of_memory(error):
                raise
        with self._changing:
            self._drop_idle(detector.model_name, lambda: False)
        give_back_memory(detector.runs_on)
        try:
            return detector.load()
        except Exception as error:
            if not out_of_memory(error):
                raise
        return detector.on_cpu()

    def _file_bytes(self, name: str) -> int:
        return sum(bytes_of(part.path, part.source) for part in parts(self.model_configs[name]))

    def _make_room(self, newcomer: str, needed: int) -> None:
        """Drop the least recently used models that nobody works with until `needed` more bytes fit the budget."""
        if self.settings.memory_budget_mb is None:
            return
        budget = self.settings.memory_budget_mb * 1_000_000
        with self._changing:
            self._drop_idle(newcomer, lambda: sum(d.memory_bytes for d in self._models.values()) + needed <= budget)

    def _drop_idle(self, newcomer: str, enough: Callable[[], bool]) -> None:
        """Forget models that nobody works with, the longest unused first, until there is enough room."""
        for name in sorted(self._models, key=self._used.__getitem__):
            if enough():
                return
            if name != newcomer and not self._pins[name]:
                del self._models[name], self._used[name]


def _permitted(settings: Settings, kind: LicenceClass) -> bool:
    return settings.licences is None or kind in settings.licences


def _validated(settings: Settings, registry: dict[str, type[Detector]]) -> dict[str, DetectorConfig]:
    """Every entry against the `Config` of the class it names; an unknown class is reported when it is used."""
    names = list(settings.models) if settings.active_models is None else settings.active_models
    configs: dict[str, DetectorConfig] = {}
    problems: list[str] = []
    for name in names:
        if name not in settings.models:
            why = f"it was removed: {REMOVED[name]}" if name in REMOVED else "models has no such entry"
            problems.append(f"{name}: active_models names it, but {why}")
            continue
        entry = settings.models[name]
        cls = registry.get(str(entry.get("class_name")))
        schema = cls.Config if cls else DetectorConfig
        fields = entry if cls else {key: value for key, value in entry.items() if key in DetectorConfig.model_fields}
        try:
            config = schema.model_validate(fields)
        except ValidationError as error:
            problems += [f"{name}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            continue
        if not _permitted(settings, licence_class(part for part in parts(config) if not part.optional)):
            continue
        companions = {
            key: companion.model_copy(update={"path": settings.checkpoint(companion.path)})
            for key, companion in config.companions.items()
            if _permitted(settings, companion.weights.licence_class)  # else it is optional
        }
        configs[name] = config.model_copy(
            update={
                "companions": companions,
                "model_name": name,
                "model_path": settings.checkpoint(config.model_path),
                "device": settings.device if config.device == "auto" else config.device,
                "engine": config.engine or settings.engine,
            }
        )
    if problems:
        raise ConfigError("The configuration has entries that cannot be used:\n" + "\n".join(problems))
    return configs
