"""MEL-SPECTROGRAM-CNN-V3: wavelet scattering of the mel spectrogram of overlapping seconds."""

from __future__ import annotations

from dataclasses import replace

from drishtiksha.contract import AudioPlan
from drishtiksha.detectors.mel_base import MelDetector
from drishtiksha.results import MediaInfo

PLAN = AudioPlan(sample_rate=16_000, window_s=1.0, hop_s=0.5, min_s=1.0)


class MelSpectrogramCNNV3(MelDetector):
    """Texture of the mel spectrogram of a second of sound every half second, at four scales and eight angles.

    Scattering: Bruna & Mallat, PAMI 2013, arXiv:1203.1513; no paper on this detector, which has no convolutions that
    were learnt, whatever its name says. Checkpoint: `MEL-Spectrogram-CNN-v3.pth` of the Drishtiksha server, with or
    without kymatio's filters in it, bare or in `model_state_dict`.

    Polarity: the network's logit is that of REAL and is turned round; p_fake is the mean over the windows, so that the
    first and the last half second count half. What is left at the end, under half a second, is not looked at, as in the
    reference.

    The reference judges seconds of digital silence like any other: wrong; here they are gaps.
    """

    grey = "after the resize"
    """The reference made the coloured picture smaller and then grey; ScatteringWave the other way round. The networks
    were trained so."""

    def sampling(self, media: MediaInfo) -> AudioPlan:
        return replace(PLAN, resampling=self.config.resampling)
