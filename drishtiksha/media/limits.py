"""How much evidence the tool takes on: checked on the bytes, on the probe, and again while decoding."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MediaLimits(BaseModel):
    """Bounds on one file. Everything beyond them is refused with a sentence that says which bound and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: int = Field(default=500_000_000, gt=0, description="bytes of the file")
    max_duration_s: float = Field(default=1800.0, gt=0, description="seconds of video or sound")
    max_image_pixels: int = Field(default=50_000_000, gt=0, description="width x height of a picture")
    max_video_pixels: int = Field(default=7680 * 4320, gt=0, description="width x height of a video's frame")
    max_frames: int = Field(default=200_000, gt=0, description="frames of a video")
    max_audio_channels: int = Field(default=16, gt=0)
    max_sample_rate: int = Field(default=384_000, gt=0, description="Hz, of the sound as it is stored")
    stall_s: float = Field(default=20.0, gt=0, description="seconds without any progress before a decode is stopped")
