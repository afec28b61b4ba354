"""2-D wavelet scattering of a spectrogram picture, and the classifier on top of it.

Scattering: Bruna & Mallat, PAMI 2013, arXiv:1203.1513, as kymatio 0.3 computes it (Andreux et al., JMLR 2020,
arXiv:1812.11214): the same coefficients in the same order within 1e-4. kymatio itself takes 19 s to build these filters.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

SCALES, ANGLES = 4, 8
"""J and L of the paper."""
SIZE = 256
STRIDE = 2**SCALES
"""Px between coefficients; the picture is padded by as many on each side."""
SIGMA, XI = 0.8, 0.75 * math.pi
"""Width (px) and frequency (radians a px) of the finest wavelet."""
PI = 3.1415
"""As kymatio has it in the norm of its filters: published weights were trained on that."""
DROPOUTS = (0.4, 0.4, 0.3)
SPAN = 3
"""A wavelet's spectrum is under 1e-5 of its height beyond so many times the frequencies that are kept of it."""
AT_ONCE = 2
"""Spectra that are worked on together: more do not fit the cache of a processor, fewer make many small steps."""
COEFFICIENTS = 1 + ANGLES * SCALES + ANGLES**2 * SCALES * (SCALES - 1) // 2


class Scattering(nn.Module):
    """Fixed filters without parameters; none of them is in the state dict. size: px, 128 or more, a multiple of 16."""

    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        self.padded = size + 2 * STRIDE
        for scale in range(SCALES):
            wavelets = np.stack([_wavelet(scale, angle, self.padded) for angle in range(ANGLES)])
            for octave in range(min(scale + 1, SCALES - 1)):
                self.register_buffer(f"wavelet_{scale}_{octave}", _filters(wavelets, scale, octave), persistent=False)
            self.register_buffer(f"low_pass_{scale}", _low_pass(scale, self.padded), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """float32 (B, size, size) in [0, 1] -> float32 (B, 417, size / 16, size / 16)."""
        with torch.autocast(pictures.device.type, enabled=False):
            return torch.stack([self._one(picture) for picture in pictures.float()])

    def _one(self, picture: Tensor) -> Tensor:
        """(size, size) -> (417, size / 16, size / 16). One picture at a time: its intermediate spectra then stay in the cache."""
        padded = pad(picture[None, None], (STRIDE,) * 4, mode="reflect")[0, 0]
        spectrum = torch.fft.fft2(padded)[None]
        first, second = [], []
        for scale in range(SCALES):
            moduli = self._modulus(spectrum, scale, 0)[0]
            first.append(self._average(moduli, scale))
            if scale + 1 == SCALES:
                break
            for spectra in torch.fft.fft2(moduli).split(AT_ONCE):
                finer = [
                    self._average(self._modulus(spectra, outer, scale), outer) for outer in range(scale + 1, SCALES)
                ]
                second.append(torch.cat(finer, dim=1).flatten(0, 1))
        return torch.cat([self._average(padded[None], 0), *first, *second])

    def _modulus(self, spectra: Tensor, scale: int, octave: int) -> Tensor:
        """(S, n, n) complex, signals sampled every 2**octave px -> (S, 8, m, m) real: the modulus of their wavelet
        transform at every angle, sampled every 2**scale px, which is its spectrum folded to m x m."""
        wavelets = self.get_buffer(f"wavelet_{scale}_{octave}")
        size = self.padded // 2**scale
        parts = _parts(torch.view_as_real(spectra), size).flatten(2)[:, :, None]
        folded = parts[0] * wavelets[0]
        for part, wavelet in zip(parts[1:], wavelets[1:], strict=True):
            folded.addcmul_(part, wavelet)
        signals = torch.fft.ifft2(torch.view_as_complex(folded.view(-1, ANGLES, size, size, 2)))
        squares = torch.view_as_real(signals).square()  # several times faster than abs() of complex numbers
        return (squares[..., 0] + squares[..., 1]).sqrt_()

    def _average(self, signals: Tensor, octave: int) -> Tensor:
        """(..., n, n) sampled every 2**octave px -> (..., size / 16, size / 16): the low pass, separable, as two products."""
        low_pass = self.get_buffer(f"low_pass_{octave}")
        return low_pass @ signals @ low_pass.T


class ScatteringClassifier(nn.Module):
    """Scattering, then three hidden layers, as Sequential numbers them in the published checkpoints."""

    def __init__(self, hidden: tuple[int, int, int] = (1024, 512, 128)) -> None:
        super().__init__()
        self.scattering = Scattering()
        widths = (COEFFICIENTS * (SIZE // STRIDE) ** 2, *hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after, dropout in zip(widths, hidden, DROPOUTS, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.BatchNorm1d(after), nn.Dropout(dropout)]
        self.classifier = nn.Sequential(*layers, nn.Linear(hidden[-1], 1))

    def forward(self, batch: Tensor) -> Tensor:
        """float32 (B, 1, 256, 256) grey in [0, 1] -> REAL logits (B,)."""
        return self.classifier(self.scattering(batch[:, 0]))[:, 0]


def _wavelet(scale: int, angle: int, padded: int) -> np.ndarray:
    """float64 (padded, padded): the spectrum, which is real, of the Morlet wavelet of a scale and an angle."""
    sigma, xi, slant = SIGMA * 2**scale, XI / 2**scale, 4 / ANGLES
    theta = (ANGLES - ANGLES // 2 - 1 - angle) * math.pi / ANGLES
    steps = np.arange(padded) - padded // 2
    rows, columns = steps[:, None], steps[None]
    along = rows * math.cos(theta) + columns * math.sin(theta)
    across = columns * math.cos(theta) - rows * math.sin(theta)
    envelope = np.exp(-(along**2 + (slant * across) ** 2) / (2 * sigma**2))
    gabor = envelope * np.exp(1j * xi * along)
    morlet = (gabor - gabor.sum() / envelope.sum() * envelope) * slant / (2 * PI * sigma**2)
    return np.fft.fft2(np.fft.ifftshift(morlet)).real


def _filters(wavelets: np.ndarray, scale: int, octave: int) -> Tensor:
    """Spectra (8, padded, padded) -> float32 (k * k, 8, m * m * 2): in parts, over signals sampled every 2**octave px; each
    value stands there twice, for the real and the imaginary part of what it is multiplied with."""
    padded = wavelets.shape[-1]
    spectra = torch.from_numpy(wavelets.astype(np.float32))
    if octave:
        spectra = torch.fft.ifftshift(_low(spectra, padded // 2**octave), dim=(1, 2))
    gain = 4.0 ** (octave - scale)  # folding is a mean over all parts
    return _parts(spectra * gain, padded // 2**scale).flatten(2).repeat_interleave(2, dim=-1)


def _low(spectra: Tensor, size: int) -> Tensor:
    """The `size` lowest frequencies of both axes of spectra (S, n, n, ...), from the most negative up."""
    half, whole = size // 2, spectra.shape[1]
    for axis in (1, 2):
        spectra = torch.cat([spectra.narrow(axis, whole - half, half), spectra.narrow(axis, 0, half)], axis)
    return spectra


def _parts(spectra: Tensor, size: int) -> Tensor:
    """(S, n, n, ...) -> (k * k, S, size, size, ...): the parts whose sum is the spectrum of a signal sampled at `size` px a
    side (but for the origin, which the modulus does not see). k is at most `SPAN`: beyond it the wavelets are 0."""
    count = min(spectra.shape[1] // size, SPAN)
    if count == 1:
        return spectra[None]
    blocks = _low(spectra, count * size).unflatten(2, (count, size)).unflatten(1, (count, size))
    return blocks.movedim((1, 3), (0, 1)).flatten(0, 1)


def _low_pass(octave: int, padded: int) -> Tensor:
    """float32 (size / 16, padded / 2**octave): rows of the Gaussian around every 16th px, those of the padding left out."""
    sigma, size = SIGMA * 2 ** (SCALES - 1), padded // 2**octave
    steps = np.arange(padded) - padded // 2
    gaussian = np.exp(-(steps**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * PI))
    spectrum = np.fft.fft(np.fft.ifftshift(gaussian)).real
    kernel = np.fft.ifft(spectrum[np.r_[: size // 2, padded - size // 2 : padded]]).real
    centres = np.arange(1, padded // STRIDE - 1) * (STRIDE // 2**octave)
    return torch.from_numpy(kernel[(centres[:, None] - np.arange(size)) % size].astype(np.float32))
