"""Whether a detector was made for a file, known before anything is loaded or decoded."""

from __future__ import annotations

from drishtiksha.contract import DetectorConfig
from drishtiksha.results import MediaInfo, MediaKind

_A_KIND = {MediaKind.IMAGE: "a picture", MediaKind.VIDEO: "a video", MediaKind.AUDIO: "a sound recording"}


def misfit(media: MediaInfo, config: DetectorConfig, model_name: str) -> str | None:
    """Why the detector cannot look at this file; None when it can."""
    if config.accepts(media):
        return None
    if media.kind is MediaKind.VIDEO and (config.isAudio or config.isMultiModal):
        return f"{media.name} has no sound track; {model_name} needs one."
    return f"{media.name} is {_A_KIND[media.kind]}; {model_name} takes {_taken(config)}."


def unfit(media: MediaInfo, config: DetectorConfig, model_name: str) -> str | None:
    """`misfit`, and what to choose instead."""
    reason = misfit(media, config, model_name)
    if reason is None:
        return None
    sound_alone = media.kind is MediaKind.VIDEO and (config.isAudio or config.isMultiModal)
    wanted = "that looks at the picture" if sound_alone else f"made for {_A_KIND[media.kind]}"
    return f"{reason} Choose a model {wanted}."


def _taken(config: DetectorConfig) -> str:
    kinds = {"pictures": config.isImage, "videos": config.isVideo or config.isMultiModal, "sound": config.isAudio}
    *others, last = [kind for kind, taken in kinds.items() if taken] or ["nothing"]
    return f"{', '.join(others)} and {last}" if others else last
