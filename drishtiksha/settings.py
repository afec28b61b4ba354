"""Settings: `configs/config.yaml`, overridden by `.env`, overridden by the environment (`DRISHTIKSHA_...`).

Also where the program's own files lie, in a checkout and when installed.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, Literal

import yaml
from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from drishtiksha import platform
from drishtiksha.detector_config import DEVICE, Engine, LicenceClass
from drishtiksha.errors import ConfigError, hide_folders

_SHIPPED = Path(__file__).with_name("shipped")
INSTALLED = _SHIPPED.is_dir()
"""Whether this is an installed package; False in a checkout of the repository, an editable install included."""
ROOT = _SHIPPED if INSTALLED else Path(__file__).resolve().parents[1]
"""Where configs/, models/ and assets/ lie that come with the program: the repository, or inside the installed package."""
HOME = user_data_path("drishtiksha", appauthor=False) if INSTALLED else ROOT
"""What relative paths of the settings are taken from: the repository, or the user's data folder when installed."""
DEFAULT_CONFIG = ROOT / "configs" / "config.yaml"
EMBEDDED_DIR = ROOT / "models"
"""Where the weights that ship with the project lie, whatever `models_dir` says."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, some ten times as fast, where PyYAML was built with it."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class MediaLimits(BaseModel):
    """Bounds on one file. Everything beyond them is refused with a sentence that says which bound and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(default=500_000_000, gt=0, description="bytes of the file")
    max_duration_s: float = Field(default=1800.0, gt=0, description="seconds of video or sound")
    max_image_pixels: int = Field(
        default=50_000_000,
        gt=0,
        le=178_000_000,
        description="width x height of a picture; Pillow takes no more than 178 MP",
    )
    max_video_pixels: int = Field(default=7680 * 4320, gt=0, description="width x height of a video's frame")
    max_frames: int = Field(default=200_000, gt=0, description="frames of a video")
    max_audio_channels: int = Field(default=16, gt=0)
    max_sample_rate: int = Field(default=384_000, gt=0, description="Hz, of the sound as it is stored")
    provenance_step_s: float = Field(
        default=10.0, gt=0, description="seconds for each step of reading what a file says of itself"
    )
    analysis_s: float = Field(
        default=3600.0, gt=0, description="seconds for one model on one file; what was judged by then is the result"
    )
    stall_s: float = Field(default=20.0, gt=0, description="seconds without any progress before a decode is stopped")


class Settings(BaseSettings):
    """Everything that is not a detector's own. Relative paths are taken from `HOME`."""

    model_config = SettingsConfigDict(
        env_prefix="DRISHTIKSHA_", env_nested_delimiter="__", env_file=".env", extra="ignore", frozen=True
    )

    data_dir: Path = Field(
        default_factory=lambda: platform.kept_on_space() / "data" if platform.on_space() else Path("data"),
        description="cases and the database; never in the repository. On a Space, on its persistent storage if it has any",
    )
    models_dir: Path = Field(
        default_factory=lambda: platform.kept_on_space() / "models" if platform.on_space() else Path("models"),
        description="downloaded checkpoints; those that ship are found beside the program, too. On a Space as data_dir",
    )
    detectors_dir: Path | None = Field(
        default=None, description="a folder of further detectors, whose Python files are run; None = none"
    )
    device: str = Field(
        default="auto",
        pattern=DEVICE,
        description="for every model whose own device is auto: auto, cpu, cuda, cuda:N or mps",
    )
    engine: Engine = Field(
        default="torch",
        description="what computes the networks of models whose entry does not say: torch, or onnx: ONNX Runtime on a "
        "processor, for each network that it was found to compute at least 1.3 times as fast with the same scores",
    )
    workers: Literal["processes", "threads"] = Field(
        default_factory=lambda: "threads" if platform.on_zero_gpu() else "processes",
        description="where jobs run: in a process a device, which is started again when it crashes and leaves the page free to "
        "answer, or in threads of the server itself, where inference must begin in the process of the page (ZeroGPU)",
    )
    memory_budget_mb: int | None = Field(default=None, gt=0, description="for loaded models; None = no bound")
    upload_kept_s: float = Field(
        default=120.0,
        ge=0,
        description="how long gradio's copy of an upload stays; it may be that of somebody else who sent the same file",
    )
    retention_hours: float = Field(default=24.0, gt=0, description="cases older than this are deleted")
    database_url: str | None = Field(default=None, description="any SQLAlchemy URL; None = SQLite in data_dir")
    evidence_url: str | None = Field(
        default=None,
        description="where servers without a folder in common keep the evidence: an address of fsspec, such as "
        "s3://bucket/cases; data_dir then holds copies. None = in data_dir",
    )
    disk_quota_mb: int | None = Field(default=None, gt=0, description="for all cases together; None = no bound")
    active_models: list[str] | None = Field(default=None, description="offer only these; None = all of `models`")
    public: bool = Field(
        default_factory=platform.on_space,
        description="strangers use it: a case is its owner's, others read it by its link, and nobody without login or key "
        "sees a list of cases. True on a Hugging Face Space, and where others than this machine reach a server without login",
    )
    manage_models: bool = Field(
        default_factory=lambda: not platform.on_space(),
        description="whether the page may load, unload and download models; off where strangers use it",
    )
    licences: list[LicenceClass] | None = Field(
        default=None,
        description="offer only models whose weights have a licence of these classes (open, non-commercial, nonprofit, not "
        "stated); None = all",
    )
    slow_from_s: float | None = Field(
        default=30.0,
        gt=0,
        description="on a processor, a detector that is expected to take longer than this on a file does not start by itself, "
        "but when it is asked for; None = every one starts by itself, as on a GPU",
    )
    slow_when_idle: bool = Field(
        default=False, description="start those by themselves, too, once no other analysis waits"
    )
    max_queue: int = Field(default=64, gt=0, description="jobs that may wait")
    api_keys_required: bool = Field(default=False, description="whether every /api route asks for a key")
    rate_limit_per_minute: int | None = Field(
        default=None, gt=0, description="API requests of one key; None = no bound"
    )
    login: bool = Field(
        default=False, description="whether the page asks for name and password; the API then for a key"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="of the app and the server: what is written to standard error"
    )
    eager_models: bool = Field(default=False, description="load every model that is ready before the server answers")
    limits: MediaLimits = MediaLimits()
    models: dict[str, dict[str, Any]] = Field(default={}, description="model name -> entry, validated by the registry")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class asks for it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        yaml_file = Path(os.environ.get("DRISHTIKSHA_CONFIG", DEFAULT_CONFIG))
        stated = _stated_in(yaml_file, known=set(cls.model_fields))
        return init_settings, env_settings, dotenv_settings, InitSettingsSource(settings_cls, stated)

    def model_post_init(self, _: Any) -> None:
        hide_folders(ROOT, self.data_root, self.checkpoints_dir.parent)

    def reached_at(self, host: str, *, proxied: bool = False) -> Settings:
        """These settings for a server that listens there, or that a proxy offers to others.

        Where others than this machine reach it and there is no login, it is `public`, and its models are not managed on
        the page, unless these settings are given.
        """
        if (host in LOOPBACK and not proxied) or self.login:
            return self
        closed = {"public": True, "manage_models": False}
        return self.model_copy(update={k: v for k, v in closed.items() if k not in self.model_fields_set})

    @property
    def data_root(self) -> Path:
        """`data_dir`, absolute."""
        return _from_home(self.data_dir)

    @property
    def cases_dir(self) -> Path:
        """A folder a case, with the untouched evidence."""
        return self.data_root / "cases"

    @property
    def derived_dir(self) -> Path:
        """A folder a case, with copies made for players, pictures and reports: what a browser may fetch."""
        return self.data_root / "derived"

    @property
    def engines_dir(self) -> Path:
        """Networks that this program exported for another engine."""
        return self.data_root / "cache" / "engines"

    @property
    def checkpoints_dir(self) -> Path:
        return _from_home(self.models_dir)

    @property
    def detectors_folder(self) -> Path | None:
        """`detectors_dir`, absolute."""
        return _from_home(self.detectors_dir) if self.detectors_dir else None

    def checkpoint(self, model_path: Path) -> Path:
        """Where a model's checkpoint lies: absolute as given, `models/x` in the models folder (or where it ships with the
        project), else from `HOME`."""
        if model_path.is_absolute():
            return model_path
        if model_path.parts[:1] == ("models",):
            own, embedded = (folder / Path(*model_path.parts[1:]) for folder in (self.checkpoints_dir, EMBEDDED_DIR))
            return embedded if embedded.with_suffix(".json").is_file() and not own.exists() else own
        return HOME / model_path


def _from_home(path: Path) -> Path:
    return path if path.is_absolute() else HOME / path


def read_yaml(text: str) -> Any:
    """What a YAML text says, in plain Python objects.

    Raises: yaml.YAMLError, which shows the line that cannot be read.
    """
    try:
        return yaml.load(text, _LOADER)  # noqa: S506 - both of them are safe
    except yaml.YAMLError:
        return yaml.safe_load(text)  # libyaml does not show the line


def _stated_in(yaml_file: Path, known: set[str]) -> dict[str, Any]:
    """The settings of that file. A misspelt one is refused; it would otherwise be ignored in silence."""
    if not yaml_file.is_file():
        raise ConfigError(f"{yaml_file} does not exist. Set DRISHTIKSHA_CONFIG to a configuration file.")
    try:
        content = read_yaml(yaml_file.read_text(encoding="utf-8")) or {}
    except UnicodeDecodeError as error:
        raise ConfigError(f"{yaml_file.name} is not a text in UTF-8. Save it as UTF-8.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{yaml_file.name} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{yaml_file.name} must hold settings by name, such as `models:`.")
    if unknown := sorted(set(content) - known):
        raise ConfigError(
            f"{yaml_file.name} has unknown settings: {', '.join(unknown)}. Known: {', '.join(sorted(known))}."
        )
    return content


def configure_logging(settings: Settings) -> None:
    """Write the project's messages of `log_level` and above to standard error, a line each with its time.

    For the app and the server; the commands that end by themselves show warnings only, as Python does unasked.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    own = logging.getLogger(__package__)
    own.handlers = [handler]
    own.setLevel(settings.log_level.upper())


def load_settings(**overrides: Any) -> Settings:
    """Settings from all sources; `overrides` win. Raises: ConfigError that names each bad field."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"The settings cannot be used: {problems}") from error
    except SettingsError as error:
        raise ConfigError(f"The settings cannot be used: {error}; wanted JSON there.") from error
