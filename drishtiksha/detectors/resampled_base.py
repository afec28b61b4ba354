"""What the reference server's detectors of sound share: how the sound was brought to the rate that they take."""

from __future__ import annotations

from pydantic import Field

from drishtiksha.contract import DetectorConfig, Resampling


class ResampledConfig(DetectorConfig):
    resampling: Resampling = Field(
        default="filtered",
        description="reference: by straight lines without a low-pass filter, so that sound above 8 kHz folds down, as the "
        "reference server does; which of the two the checkpoints learned from is not published",
    )
