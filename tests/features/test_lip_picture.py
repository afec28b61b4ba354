"""The picture of LipFD against what matplotlib and librosa make of the same sound."""

from __future__ import annotations

import matplotlib.image
import numpy as np
import pytest
from media_factory import speech_like

from drishtiksha.features.library import librosa
from drishtiksha.features.lip_picture import is_silent, lip_picture, mel_picture

RATE = 16_000


def test_the_mel_picture_is_what_imsave_draws(tmp_path):
    waveform = speech_like(3.0)
    decibels = librosa().power_to_db(librosa().feature.melspectrogram(y=waveform, sr=RATE), ref=np.min)
    matplotlib.image.imsave(tmp_path / "mel.png", decibels, cmap="viridis")
    drawn = (matplotlib.image.imread(tmp_path / "mel.png") * 255).astype(np.uint8)[..., :3]
    ours = mel_picture(waveform, RATE).transpose(1, 2, 0)
    assert ours.shape == drawn.shape
    assert np.abs(ours.astype(float) - drawn).mean() < 1
    assert np.corrcoef(ours.ravel(), drawn.ravel())[0, 1] > 0.995


def test_low_frequencies_are_above():
    seconds = np.arange(2 * RATE) / RATE
    picture = mel_picture(np.sin(2 * np.pi * 150 * seconds).astype(np.float32), RATE)
    brightness = picture.sum(axis=(0, 2))
    assert brightness[:20].mean() > brightness[64:].mean() + 50


def test_silence_is_told_from_sound():
    waveform = speech_like(2.0)
    waveform[RATE:] = 0
    picture = mel_picture(waveform, RATE)
    half = picture.shape[2] // 2
    assert not is_silent(picture[..., :half])
    assert is_silent(picture[..., half + 4 :])
    assert is_silent(mel_picture(np.zeros(RATE, np.float32), RATE))


@pytest.mark.parametrize("size", [(360, 640), (500, 500), (300, 200)])
def test_five_squares_under_the_sound(size):
    frames = [np.full((*size, 3), 40 * i, np.uint8) for i in range(1, 6)]
    sound = np.full((3, 128, 9), 7, np.uint8)
    picture = lip_picture(frames, sound)
    assert picture.shape == (3, 1000, 2500)
    assert picture.dtype == np.uint8
    assert (picture[:, :500] == 7).all()
    for i in range(5):
        assert (picture[:, 500:, 500 * i : 500 * (i + 1)] == 40 * (i + 1)).all()


def test_one_column_of_sound_is_enough():
    picture = lip_picture([np.zeros((10, 10, 3), np.uint8)] * 5, np.full((3, 128, 1), 9, np.uint8))
    assert (picture[:, :500] == 9).all()
