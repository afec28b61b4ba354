"""What the three SigLIP-LSTM detectors share: which frames, which windows, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from drishtiksha import scoring
from drishtiksha.contract import Aggregate, DetectorConfig, EncodedFrame, Sample, SequencePlan, Window
from drishtiksha.detectors.base import Detector
from drishtiksha.media.sampling import evenly_spaced
from drishtiksha.results import MediaInfo, SampleScore

if TYPE_CHECKING:
    from torch import Tensor, nn

WHOLE_WINDOW = 0.9
"""A window is judged when at least this share of its frames could be decoded."""


class SiglipConfig(DetectorConfig):
    num_frames: int = Field(default=120, gt=0, description="frames of a sequence")
    num_windows: int = Field(default=50, gt=0, description="sequences of consecutive frames on the time line")
    rolling_window: int = Field(default=10, gt=0, description="windows that the rolling mean takes together")
    batch_size: int = Field(default=8, gt=0, description="frames at a time; more are slower on a CPU")
    dtype: Literal["float32", "bfloat16"] = Field(default="bfloat16", description="float32 where there is no bfloat16")
    vision_width: int = Field(default=768, gt=0, description="of SigLIP base, as published")
    vision_layers: int = Field(default=12, gt=0)
    vision_heads: int = Field(default=12, gt=0)
    lstm_width: int = Field(default=512, gt=0, description="of each direction")
    head_width: int = Field(default=512, gt=0, description="of the deeper heads (V4)")


class SiglipDetector(Detector):
    """The verdict is on frames spread over the whole file; the time line is of consecutive frames. Each frame is encoded
    once, however many sequences it belongs to."""

    Config = SiglipConfig
    deep_heads: ClassVar[bool] = False
    rolling: ClassVar[bool] = False

    def sampling(self, media: MediaInfo) -> SequencePlan:
        return SequencePlan(self._frames)

    def make_network(self) -> nn.Module:
        from drishtiksha.networks.siglip_lstm import SiglipLSTM

        config = self.config
        head = config.head_width if self.deep_heads else None
        return SiglipLSTM(config.vision_width, config.vision_layers, config.vision_heads, config.lstm_width, head)

    def preprocess(self, sample: Sample) -> list[Tensor]:
        """One float32 (3, 224, 224) RGB in [-1, 1], the whole frame."""
        from drishtiksha.networks.siglip_lstm import preprocess_frame

        assert sample.frame is not None
        return [preprocess_frame(sample.frame)]

    def packable(self, network: Any) -> Sequence[nn.Module]:
        return (network.siglip_backbone.encoder,)

    def features(self, batch: Tensor) -> Tensor:
        network: Any = self.network
        return network.features(batch)

    def windows(self, frames: Sequence[EncodedFrame]) -> list[Window]:
        """The verdict's sequence, then those of the time line that are complete enough.

        Frames may be missing, the last ones too, so that the file seems shorter than it said: each wanted place is filled
        by what is nearest to it.
        """
        if not frames:
            return []
        indices = np.array([frame.frame_index for frame in frames])
        total = int(indices[-1]) + 1
        spread = _nearest(indices, evenly_spaced(total, self.config.num_frames))
        length = min(self.config.num_frames, total)
        starts = np.searchsorted(indices, indices - length + 1)
        complete = np.flatnonzero(np.arange(1, len(indices) + 1) - starts >= WHOLE_WINDOW * length)
        ends = complete[_nearest(indices[complete], self._ends(total))].tolist()
        windows = [Window(self._padded(list(range(starts[end], end + 1)))) for end in ends]
        return [Window(self._padded(spread), whole=True), *windows]

    def score_alone(self, batch: Tensor) -> np.ndarray:
        """Each frame as if the film stood still."""
        return self.score(self.encode(batch)[:, None].expand(-1, self.config.num_frames, -1))

    def aggregate(self, scores: Sequence[SampleScore], whole: float | None = None) -> Aggregate:
        judged = [score for score in scores if score.p_fake is not None]
        p_fakes = np.array([score.p_fake for score in judged])
        metrics = scoring.tally(scores, "sequence") | {"mean_sequence_p_fake": scoring.mean_p_fake(scores)}
        if self.rolling and judged:
            length = min(self.config.rolling_window, len(judged))
            means = np.convolve(p_fakes, np.full(length, 1 / length), mode="valid")
            first = int(means.argmax())
            metrics |= {"highest_rolling_p_fake": float(means[first]), "highest_rolling_from_s": judged[first].time_s}
        notes = ("It judges whole frames, whether or not there is a face in them.",)
        return Aggregate(whole, metrics, notes)

    def importance(self, tensor: Tensor) -> tuple[np.ndarray, Any]:
        """What the pooling head attends to, followed back through the layers."""
        import torch

        from drishtiksha.explain.attention import rollout, token_map
        from drishtiksha.networks.siglip_lstm import GRID, SIDE_PX

        network: Any = self.network
        with torch.inference_mode():
            layers, pooled = self._work(network.attentions, tensor[None])
            weights = pooled.float()[:, None] @ rollout(layers)
        return token_map(weights[0, 0], GRID, (SIDE_PX, SIDE_PX)), "attention"

    def _frames(self, total: int) -> list[list[int]]:
        """First the frames of the verdict, then those of all windows."""
        length = min(self.config.num_frames, total)
        consecutive = {index for end in self._ends(total) for index in range(end - length + 1, end + 1)}
        return [evenly_spaced(total, self.config.num_frames), sorted(consecutive)]

    def _ends(self, total: int) -> list[int]:
        """Last frames of the windows."""
        first = min(self.config.num_frames, total) - 1
        return sorted(set(np.linspace(first, total - 1, self.config.num_windows).astype(int).tolist()))

    def _padded(self, members: list[int]) -> tuple[int, ...]:
        """A shorter sequence ends with its first frame, again and again, as in the reference."""
        return tuple(members + [members[0]] * (self.config.num_frames - len(members)))


def _nearest(indices: np.ndarray, wanted: Sequence[int]) -> list[int]:
    """Positions in the sorted `indices` of those nearest to each of `wanted`, ascending, each once."""
    if not len(indices):
        return []
    return np.unique(np.abs(indices[:, None] - np.asarray(wanted)).argmin(axis=0)).tolist()
