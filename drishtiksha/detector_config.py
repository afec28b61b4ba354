"""What every entry of `models:` in config.yaml says, and what is known of a checkpoint's measured scores."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import to_jsonable_python

from drishtiksha.casefile import LINE_OF, EvidenceKind, LineKind
from drishtiksha.results import FalseAlarms, MediaInfo, MediaKind, Thresholds

DEVICE = r"^(auto|cpu|mps|cuda(:\d+)?)$"
"""What a model may be told to run on."""
Engine = Literal["torch", "onnx"]
"""What may be asked to compute a network."""


SCORELESS_FIELDS = frozenset(
    [
        "description",
        "looks_at",
        "limits",
        "misses",
        "line",
        "family",
        "trained_on",
        "measured",
        "paper",
        "evidence",
        "experimental",
        "retired",
        "recommended",
        "explain",
        "pitch",
        "device",
        "dtype",
        "engine",
        "model_name",
        "model_path",
        "weights",
        "companions",
    ]
)
"""Fields of a configuration that change no score. Device, number format and files count as they are found, not as they
are configured."""


class LicenceClass(StrEnum):
    """What a licence lets one do, from the freest to the least known; the words of the licence itself decide."""

    OPEN = "open"
    NON_COMMERCIAL = "non-commercial"
    NONPROFIT = "nonprofit"
    NOT_STATED = "not stated"

    @property
    def strictness(self) -> int:
        """Higher is stricter."""
        return list(LicenceClass).index(self)


class WeightsSource(BaseModel):
    """Where a checkpoint comes from: exactly what `drishtiksha weights pull` and a person need.

    At most one of `url`, `hf_repo`, `github_repo`, `drive_id` and `drive_folder` is given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = Field(default=None, description="http(s) address of the file")
    mirrors: tuple[str, ...] = Field(
        default=(), description="further addresses of the same file, tried in turn where the first cannot be had"
    )
    hf_repo: str | None = Field(default=None, description="Hugging Face repository, owner/name")
    hf_file: str | None = None
    hf_files: tuple[str, ...] = Field(default=(), description="several files that make up one model folder")
    github_repo: str | None = Field(default=None, description="GitHub repository, owner/name")
    github_file: str | None = Field(
        default=None, description="an asset of `release`, or a path in the repository at commit `revision`"
    )
    release: str | None = Field(default=None, description="tag of the GitHub release")
    drive_id: str | None = Field(default=None, description="id of a file on Google Drive")
    drive_folder: str | None = Field(default=None, description="id of a folder on Google Drive")
    drive_file: str | None = Field(
        default=None, description="name of the file in that folder; its case does not matter"
    )
    revision: str = Field(default="main", description="of the Hugging Face or GitHub repository")
    member: str | None = Field(default=None, description="what is fetched is a zip file, of which this member is kept")
    by_hand: str | None = Field(default=None, description="what a person must do where no program may fetch it")
    sha256: str | None = Field(default=None, description="of the file that is fetched; with `member`, of the zip")
    md5: str | None = Field(
        default=None, pattern="^[0-9a-fA-F]{32}$", description="the same, where no SHA-256 is known"
    )
    bytes: int | None = Field(default=None, gt=0, description="size of what is fetched, as far as it is known before")
    licence: str = Field(default="not stated", description="of the weights, in its own words or by its usual name")
    licence_class: LicenceClass = LicenceClass.NOT_STATED

    @property
    def stated_sha256(self) -> str | None:
        """Of the file as it lies in the models folder; None where nobody states it."""
        return self.sha256.lower() if self.sha256 and not self.member else None

    @property
    def stated_md5(self) -> str | None:
        """As `stated_sha256`."""
        return self.md5.lower() if self.md5 and not self.member else None

    @model_validator(mode="after")
    def _one_place(self) -> WeightsSource:
        places = [self.url, self.hf_repo, self.github_repo, self.drive_id, self.drive_folder]
        commit = re.fullmatch("[0-9a-f]{40}", self.revision) is not None
        rules = {
            "give one of url, hf_repo, github_repo, drive_id, drive_folder": len(places) - places.count(None) <= 1,
            "mirrors stand beside url": not self.mirrors or self.url,
            "hf_repo stands with hf_file or hf_files": bool(self.hf_repo)
            == (bool(self.hf_file) != bool(self.hf_files)),
            "github_repo stands with github_file": bool(self.github_repo) == bool(self.github_file),
            "release stands beside github_repo": not self.release or self.github_repo,
            "github_repo needs a release, or a revision that is a commit of 40 digits": not self.github_repo
            or bool(self.release) != commit,
            "drive_folder stands with drive_file": bool(self.drive_folder) == bool(self.drive_file),
            "member is that of one file": not self.member or not self.hf_files,
        }
        if broken := [rule for rule, kept in rules.items() if not kept]:
            raise ValueError("; ".join(broken))
        return self


class Companion(BaseModel):
    """A further file that a detector needs, or uses where it is there, beside its checkpoint.

    Where its tensors become part of the network, they do so under `<name of the companion>.`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path = Field(description="relative to the models folder's parent or absolute")
    optional: bool = Field(default=False, description="the detector works without it, and says what differs")
    weights: WeightsSource = WeightsSource()


class DetectorConfig(BaseModel):
    """The fields that every entry of `models:` in config.yaml has; a detector's own `Config` adds to them."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    class_name: str
    description: str
    model_path: Path = Field(description="checkpoint, relative to the models folder's parent or absolute")
    device: str = Field(default="auto", pattern=DEVICE, description="auto, cpu, cuda, cuda:N or mps")
    isAudio: bool = False
    isVideo: bool = False
    isImage: bool = False
    isMultiModal: bool = False
    looks_at: str = Field(default="", description="what it looks at, in a few words for the model list")
    limits: str = Field(default="", description="what it is known not to see, in plain words")
    misses: str = Field(
        default="",
        description="the same in one sentence for people who read an answer, as 'it misses ...' or 'it finds ...'; empty: `limits`",
    )
    trained_on: str = Field(default="", description="which data its checkpoint learned from, as published")
    measured: str = Field(
        default="", description="what others measured on it, with the source; empty: nothing is known"
    )
    paper: str = Field(default="", description="where the method was published")
    evidence: EvidenceKind = Field(default=EvidenceKind.PICTURE, description="the kind of trace that it judges")
    line: LineKind | None = Field(
        default=None, description="the line of an answer that it counts in; None: as its evidence says"
    )
    family: str = Field(
        default="",
        description="detectors of one family share backbone and training data, so that they err together and count once; "
        "empty: a family of its own",
    )
    experimental: bool = False
    retired: bool = Field(default=False, description="kept for comparison with old results only")
    recommended: bool = Field(default=False, description="one of those that `weights pull --recommended` fetches")
    batch_size: int = Field(default=16, gt=0)
    every_s: float = Field(
        default=1.0,
        gt=0,
        description="of evenly spaced frames: the seconds between two of them at most, so that a longer video gets more",
    )
    growth: int = Field(
        default=8,
        gt=0,
        description="how many times the frames of a short video a long one gets at most; beyond that they lie further apart",
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        default="float32", description="bfloat16: on processors that have it, float32 elsewhere"
    )
    engine: Engine | None = Field(
        default=None, description="torch, or onnx where it gives the same scores sooner; None: as the settings say"
    )
    explain: Literal["auto", "occlusion"] = Field(
        default="auto", description="auto: the detector's own kind of heatmap"
    )
    pitch: bool = Field(default=False, description="measure the pitch of voices as well, which takes seconds a minute")
    thresholds: Thresholds | None = Field(
        default=None, description="None: those of the checkpoint's sidecar, else the defaults"
    )
    min_coverage: float = Field(default=0.2, ge=0, le=1, description="below it the verdict is INCONCLUSIVE")
    weights: WeightsSource = WeightsSource()
    companions: dict[str, Companion] = Field(default={}, description="further files, by the names the detector knows")
    model_name: str = Field(default="", description="set by the manager, not in YAML")

    @property
    def proven(self) -> bool:
        """Neither experimental nor retired: fit to be chosen by default, and to count as evidence."""
        return not (self.experimental or self.retired)

    @property
    def counts_in(self) -> LineKind:
        """The line of an answer that this detector belongs to."""
        return self.line or LINE_OF[self.evidence]

    def without_folders(self) -> dict[str, Any]:
        """As JSON, each path cut to its last part: where the files of a machine lie is its own business."""
        fields: dict[str, Any] = to_jsonable_python(_cut(self.model_dump()))
        return fields

    def accepts(self, media: MediaInfo) -> bool:
        """Whether this detector can look at such a file; an audio detector also takes a video's sound track."""
        if media.kind is MediaKind.IMAGE:
            return self.isImage
        if media.kind is MediaKind.AUDIO:
            return self.isAudio
        if self.isMultiModal:
            return media.has_audio
        return self.isVideo or (self.isAudio and media.has_audio)

    def only_hears(self, media: MediaInfo) -> bool:
        """Whether it would judge the sound of this video alone, and nothing in its picture."""
        return media.kind is MediaKind.VIDEO and self.accepts(media) and not (self.isVideo or self.isMultiModal)


def _cut(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, dict):
        return {name: _cut(one) for name, one in value.items()}
    return [_cut(one) for one in value] if isinstance(value, list | tuple) else value


def _sorted(scores: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted(scores))


Scores = Annotated[
    tuple[Annotated[float, Field(ge=0, le=1)], ...],
    AfterValidator(_sorted),
    Field(description="p_fake in [0, 1] of one media file each, ascending"),
]


class Reference(BaseModel):
    """How held-out media of one kind scored, so that a score can be set against them. Nothing of it was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = Field(description="what the genuine media were, to end a sentence: 'portraits of 111 people'")
    fake_data: str = Field(default="", description="the same for the fakes: 'faces blended into those portraits'")
    p_fake: Scores = Field(default=(), description="of the genuine media")
    fake_p_fake: Scores = Field(default=(), description="of the fakes")
    sources: int | None = Field(
        default=None,
        gt=0,
        description="people or speakers among the genuine media. Files of one person err alike, so that bounds of error "
        "rates count people. None: as many as files",
    )
    fake_sources: int | None = Field(default=None, gt=0, description="the same of the fakes")
    groups: tuple[FalseAlarms, ...] = Field(
        default=(), description="false alarms by the treatment of the genuine media"
    )
