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
COEFFICIENTS = 1 + ANGLES * SCALES + ANGLES**2 * SCALES * (SCALES - 1) // 2


class Scattering(nn.Module):
    """Fixed filters without parameters; none of them is in the state dict. size: px, 128 or more, a multiple of 16."""

    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        self.padded = size + 2 * STRIDE
        for scale in range(SCALES):
            wavelets = [_wavelet(scale, angle, self.padded) for angle in range(ANGLES)]
            for octave in range(min(scale + 1, SCALES - 1)):
                filters = torch.stack([_filter(wavelet, scale, octave) for wavelet in wavelets], dim=1)
                self.register_buffer(f"wavelet_{scale}_{octave}", filters, persistent=False)
            self.register_buffer(f"low_pass_{scale}", _low_pass(scale, self.padded), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """float32 (B, size, size) in [0, 1] -> float32 (B, 417, size / 16, size / 16)."""
        with torch.autocast(pictures.device.type, enabled=False):
            return torch.stack([self._one(picture) for picture in pictures.float()])

    def _one(self, picture: Tensor) -> Tensor:
        """(size, size) -> (417, size / 16, size / 16). One picture at a time: its intermediate spectra then stay in the cache."""
        padded = pad(picture[None, None], (STRIDE,) * 4, mode="reflect")[0, 0]
        spectrum = torch.fft.fft2(padded)
        first, second = [], []
        for scale in range(SCALES):
            moduli = self._modulus(spectrum, scale, 0)
            first.append(self._average(moduli, scale))
            if scale + 1 == SCALES:
                break
            for inner in torch.fft.fft2(moduli):
                finer = [self._average(self._modulus(inner, outer, scale), outer) for outer in range(scale + 1, SCALES)]
                second.append(torch.cat(finer))
        return torch.cat([self._average(padded[None], 0), *first, *second])

    def _modulus(self, spectrum: Tensor, scale: int, octave: int) -> Tensor:
        """(n, n) complex, a signal sampled every 2**octave px -> (8, m, m) real: the modulus of its wavelet transform at
        every angle, sampled every 2**scale px, which is its spectrum folded to m x m."""
        wavelets = self.get_buffer(f"wavelet_{scale}_{octave}")
        size = self.padded // 2**scale
        parts = _parts(torch.view_as_real(spectrum), size).flatten(1)
        folded = parts[0] * wavelets[0]
        for part, wavelet in zip(parts[1:], wavelets[1:], strict=True):
            folded.addcmul_(part, wavelet)
        signals = torch.fft.ifft2(torch.view_as_complex(folded.view(ANGLES, size, size, 2)))
        squares = torch.view_as_real(signals).square()  # several times faster than abs() of complex numbers
        return (squares[..., 0] + squares[..., 1]).sqrt_()

    def _average(self, signals: Tensor, octave: int) -> Tensor:
        """(K, n, n) sampled every 2**octave px -> (K, size / 16, size / 16): the low pass, which is separable, as two products."""
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


def _filter(wavelet: np.ndarray, scale: int, octave: int) -> Tensor:
    """float32 (k * k, m * m * 2): a wavelet in parts, over a signal sampled every 2**octave px; every value stands there
    twice, for the real and the imaginary part of what it is multiplied with."""
    size = len(wavelet) // 2**octave
    spectrum = torch.from_numpy(wavelet.astype(np.float32))
    low = spectrum if octave == 0 else torch.fft.ifftshift(_low(spectrum, size))
    gain = 4.0 ** (octave - scale)  # folding is a mean over all parts
    return _parts(low * gain, len(wavelet) // 2**scale).flatten(1).repeat_interleave(2, dim=-1)


def _low(values: Tensor, size: int) -> Tensor:
    """The `size` lowest frequencies of each axis of a square spectrum (n, n, ...), from the most negative up."""
    half, whole = size // 2, values.shape[0]
    for axis in (0, 1):
        values = torch.cat([values.narrow(axis, whole - half, half), values.narrow(axis, 0, half)], axis)
    return values


def _parts(spectrum: Tensor, size: int) -> Tensor:
    """(n, n, ...) -> (k * k, size, size, ...): the parts whose sum is the spectrum of the signal sampled at `size` px a
    side (but for the origin, which the modulus does not see). k is at most `SPAN`: beyond it the wavelets are 0."""
    count = min(spectrum.shape[0] // size, SPAN)
    if count == 1:
        return spectrum[None]
    blocks = _low(spectrum, count * size).unflatten(1, (count, size)).unflatten(0, (count, size))
    return blocks.transpose(1, 2).flatten(0, 1)


def _low_pass(octave: int, padded: int) -> Tensor:
    """float32 (size / 16, padded / 2**octave): rows of the Gaussian around every 16th px, those of the padding left out."""
    sigma, size = SIGMA * 2 ** (SCALES - 1), padded // 2**octave
    steps = np.arange(padded) - padded // 2
    gaussian = np.exp(-(steps**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * PI))
    spectrum = np.fft.fft(np.fft.ifftshift(gaussian)).real
    kernel = np.fft.ifft(spectrum[np.r_[: size // 2, padded - size // 2 : padded]]).real
    centres = np.arange(1, padded // STRIDE - 1) * (STRIDE // 2**octave)
    return torch.from_numpy(kernel[(centres[:, None] - np.arange(size)) % size].astype(np.float32))
