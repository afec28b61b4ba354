"""COLOR-CUES-LSTM-V1: how the colours of a face change over a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, EncodedFrame, FaceRequest, Sample, SequencePlan, Window
from drishtiksha.detectors.base import Detector
from drishtiksha.errors import SkipSample
from drishtiksha.features.chromaticity import (
    bins_of,
    chromaticity_drift,
    count_bins,
    rg_chromaticity,
    scaled_histogram,
)
from drishtiksha.media.sampling import evenly_spaced
from drishtiksha.results import FaceBox, GapReason, Heatmap, MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

HALVE_FROM = 1800
"""Frames whose longer side has at least so many px are searched at half size: the largest face is seen there as well."""
CELLS = 7
"""Parts of the face along each side that are left out in turn for the heatmap."""
MESH_NOTE = (
    "dlib's landmarks, with which this checkpoint was trained, are not installed; a face mesh stood in for them. The "
    "stretch of the face that is measured then differs by a few pixels, which moved p_fake by 0.05 on a clip of ours."
)


class ColorCuesConfig(DetectorConfig):
    frames_per_video: int = Field(default=50, gt=0, description="evenly spaced frames")
    sequence_length: int = Field(default=32, gt=0, description="frames that are judged together")
    landmark_margin: int = Field(default=20, ge=0, description="px around the landmarks that count as face")
    min_face_px: int = Field(default=40, gt=0, description="smaller faces are a gap; 40 is the least dlib finds")
    histogram_bins: int = Field(default=32, gt=0, description="along red and along green; the checkpoint's")
    hidden_size: int = Field(default=64, gt=0, description="of the LSTM; the checkpoint's")


class ColorCuesLSTMV1(Detector):
    """Chromaticity of the largest face, frame by frame: what a generator paints keeps its colours less well.

    Paper: none is named; histograms of rg chromaticity go back to McCloskey & Albright, arXiv:1812.08247. Checkpoint:
    `ColorCues-LSTM-v1.pth` of the Drishtiksha server, trained on dlib's landmarks. Polarity: logit above 0 is fake. The
    reference answers REAL 0.51 with fewer than 32 faces: wrong; here that is a gap. It takes the face dlib is surest of;
    here the largest.
    """

    Config = ColorCuesConfig

    def sampling(self, media: MediaInfo) -> SequencePlan:
        size, count = self.config.min_face_px, self.config.frames_per_video
        landmarks_file = self._landmarks_file()
        faces = (
            FaceRequest("dlib", size, landmarks_file, landmarks=True, most=1)
            if landmarks_file
            else FaceRequest("blazeface", size, halve_from=HALVE_FROM, landmarks=True, most=1)
        )
        return SequencePlan(lambda total: [evenly_spaced(total, count)], faces)

    def build(self) -> nn.Module:
        from drishtiksha.networks.color_cues import ColorCuesNetwork

        return ColorCuesNetwork(self.config.histogram_bins, self.config.hidden_size)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (32, 32) in [0, 255]: the histogram of the largest face. Measures its mean r and g."""
        import torch

        r, g = rg_chromaticity(self._face(sample))
        sample.measures.update(mean_r=float(r.mean()), mean_g=float(g.mean()))
        bins = self.config.histogram_bins
        return [torch.from_numpy(scaled_histogram(count_bins(bins_of(r, g, bins), bins)))]

    def windows(self, frames: Sequence[EncodedFrame]) -> list[Window]:
        length = self.config.sequence_length
        return [Window(tuple(range(i, i + length))) for i in range(len(frames) - length + 1)]

    def frame_metrics(self, frames: Sequence[EncodedFrame]) -> Mapping[str, float | int | None]:
        """Faces measured; how far their mean (r, g) moved from the first to the last third, and how much it varied."""
        means = [(frame.measures["mean_r"], frame.measures["mean_g"]) for frame in frames]
        drift, spread = chromaticity_drift(means) if means else (None, None)
        return {"faces_found": len(frames), "chromaticity_drift": drift, "chromaticity_spread": spread}

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        notes = () if self._landmarks_file() else (MESH_NOTE,)
        return Aggregate(scoring.mean_p_fake(scores), scoring.tally(scores, "sequence"), notes)

    def region(self, sample: Sample, face: int | None) -> FaceBox:
        """Around the landmarks of the largest face, `landmark_margin` px wider, whole px within the frame."""
        assert sample.frame is not None
        assert sample.faces[0].landmarks is not None
        points, margin = np.rint(sample.faces[0].landmarks).astype(int), self.config.landmark_margin
        height, width = sample.frame.shape[:2]
        low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
        return float(max(low[0], 0)), float(max(low[1], 0)), float(min(high[0], width)), float(min(high[1], height))

    def explain(self, sample: Sample, score: SampleScore) -> list[Heatmap]:
        """Parts of the face are left out of the histogram in turn; the frame stands for a whole sequence."""
        import torch

        from drishtiksha.explain.maps import normalise, to_heatmap

        bins, length = self.config.histogram_bins, self.config.sequence_length
        cells = bins_of(*rg_chromaticity(self._face(sample)), bins)
        whole = count_bins(cells, bins)
        parts = [part for row in np.array_split(cells, CELLS) for part in np.array_split(row, CELLS, axis=1)]
        left = [whole, *(whole - count_bins(part, bins) for part in parts)]
        batch = torch.from_numpy(np.stack([scaled_histogram(counts) for counts in left]))
        p_fakes = self.score(batch[:, None].expand(-1, length, -1, -1))
        lowered = normalise((p_fakes[0] - p_fakes[1:]).reshape(CELLS, CELLS))
        face = 0 if score.faces else None
        return [to_heatmap(lowered, sample, score, "occlusion", face=face, region=self.region(sample, face))]

    def _face(self, sample: Sample) -> np.ndarray:
        """RGB pixels of the largest face. Raises: SkipSample when they lie outside of the frame."""
        assert sample.frame is not None
        x0, y0, x1, y1 = map(int, self.region(sample, 0))
        if x1 <= x0 or y1 <= y0:
            raise SkipSample(GapReason.NO_FACE)
        return sample.frame[y0:y1, x0:x1]

    def _landmarks_file(self) -> Path | None:
        """dlib's, where both are there."""
        from drishtiksha.faces.dlib68 import available

        path = self.companion_path("landmarks")
        return path if path is not None and available(path) else None
