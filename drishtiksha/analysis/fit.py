"""Whether a detector was made for a file, known before anything is loaded or decoded."""

from __future__ import annotations

from drishtiksha.contract import DetectorConfig
from drishtiksha.results import MediaInfo, MediaKind

_A_KIND = {MediaKind.IMAGE: "a picture", MediaKind.VIDEO: "a video", MediaKind.AUDIO: "a sound recording"}


def unfit(media: MediaInfo, config: DetectorConfig, model_name: str) -> str | None:
    """Why the detector cannot look at this file and what to choose instead; None when it can."""
    if config.accepts(media):
        return None
    if media.kind is MediaKind.VIDEO and config.isAudio:
        return f"{media.name} has no sound track; {model_name} needs one. Choose a model that looks at the picture."
    kinds = {"pictures": config.isImage, "videos": config.isVideo or config.isMultiModal, "sound": config.isAudio}
    takes = " and ".join(kind for kind, taken in kinds.items() if taken) or "nothing"
    return f"{media.name} is {_A_KIND[media.kind]}; {model_name} takes {takes}. Choose a model made for {_A_KIND[media.kind]}."
