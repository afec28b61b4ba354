"""One file for several models: its container is read, its sound and frames decoded, and its faces found once."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import nullcontext
from typing import Self

import numpy as np

from drishtiksha.analysis.faces import FaceMemo
from drishtiksha.analysis.plans import wanted_frames
from drishtiksha.analysis.spool import Keeper, Shelf, Spool
from drishtiksha.contract import Face, FaceRequest, Resampling, SamplingPlan
from drishtiksha.media.channels import MIXTURE, Sound, SoundPart
from drishtiksha.media.decode import Wanted
from drishtiksha.media.evidence import Evidence
from drishtiksha.media.guard import no_check
from drishtiksha.media.reader import Reader
from drishtiksha.media.video import DecodeReport, Frame, FrameIndex
from drishtiksha.results import GapReason
from drishtiksha.settings import MediaLimits

SPOOL_BYTES = 1_000_000_000
"""Decoded frames wait on disk up to this: some 160 of 1920 x 1080, few enough to be written faster than decoded again."""
HOLD_BYTES = 256_000_000
"""Wanted frames of a clip are kept in memory up to this for one model's quick first answer and what follows it."""
HOLD_BELOW_S = 30.0
"""Of a longer video one model keeps none: its first answer is found by seeking, since decoding all takes too long."""
SOUND_BYTES = 512_000_000
"""Decoded sound of several rates is kept up to this; the rate used longest ago goes first."""

Check = Callable[[], None]


class SharedMedia:
    """What several models want of one piece of evidence, each thing made once. Use it in `with`, from one thread at a time.

    Name the models' plans with `prepare` before the first of them runs: then one pass through the file brings the frames of
    all, and a frame waits for the other models that named it. Frames come back bit by bit as they were decoded. Those
    beyond `spool_bytes` (or half of the free disk), and those that nobody named, each model decodes again. check: called while
    decoding, next to the one of each call; raises to stop.
    """

    def __init__(
        self,
        evidence: Evidence,
        limits: MediaLimits,
        check: Check = no_check,
        *,
        spool_bytes: int = SPOOL_BYTES,
        keeper: Keeper | None = None,
    ) -> None:
        self.evidence, self.limits, self.check = evidence, limits, check
        self._keeper = keeper or Spool(spool_bytes, evidence.case_dir)
        self._plans: list[SamplingPlan] = []
        self._claims: Counter[int] = Counter()
        """Frame to the number of models that named it and were not served yet."""
        self._ahead: set[int] = set()
        """Frames worth decoding when they are passed on the way."""
        self._index: FrameIndex | None = None
        self._sound: dict[tuple[int, SoundPart, Resampling], Sound] = {}
        self._picture: np.ndarray | None = None
        self._faces = FaceMemo()

    @classmethod
    def alone(cls, evidence: Evidence, limits: MediaLimits, check: Check) -> Self:
        """For one model: a clip's frames wait in memory for its later passes, and nothing is written to disk."""
        short = (evidence.media.duration_s or 0.0) <= HOLD_BELOW_S
        return cls(evidence, limits, check, keeper=Shelf(HOLD_BYTES if short else 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything and remove the temporary file."""
        self._keeper.close()
        self._sound.clear()
        self._picture = None

    def prepare(self, plans: Sequence[SamplingPlan]) -> None:
        """Say what will be wanted. Costs nothing: frames are decoded when the first of them is asked for."""
        self._plans += plans

    def index(self, check: Check = no_check) -> FrameIndex:
        """Raises: as `media.video.read_index`."""
        if self._index is None:
            self._index = self._reader(check).index()
        return self._index

    def sound(self, sample_rate: int, check: Check = no_check) -> np.ndarray:
        """float32 (n,), read-only: what may be heard as one, even where its channels cancel out. Raises: as `heard`."""
        whole = self.heard(sample_rate, check=check)
        return self.heard(sample_rate, whole.parts[0], check).waveform if len(whole.parts) == 1 else whole.waveform

    def heard(
        self,
        sample_rate: int,
        part: SoundPart = MIXTURE,
        check: Check = no_check,
        resampling: Resampling = "filtered",
    ) -> Sound:
        """As `media.audio.read_sound` gives it, its waveform read-only. Raises: as that."""
        reader = self._reader(check)
        key = sample_rate, reader.part if part == MIXTURE else part, resampling
        sound = self._sound.pop(key, None)
        if sound is None:
            sound = reader.heard(*key)
            sound.waveform.flags.writeable = False
        self._sound[key] = sound
        while len(self._sound) > 1 and sum(one.waveform.nbytes for one in self._sound.values()) > SOUND_BYTES:
            del self._sound[next(iter(self._sound))]
        return sound

    def picture(self, check: Check = no_check) -> np.ndarray:
        """uint8 RGB (H, W, 3), read-only, as `media.image.read_image` gives it. Raises: as that."""
        if self._picture is None:
            self._picture = self._reader(check).picture()
            self._picture.flags.writeable = False
        return self._picture

    def faces(
        self, frame: np.ndarray, frame_index: int | None, request: FaceRequest
    ) -> tuple[tuple[Face, ...], GapReason | None]:
        """The faces of a frame of this file that meet the request, largest first; when there are none, why.

        frame: uint8 RGB (H, W, 3). frame_index: 0-based in the source; None for a picture.
        """
        return self._faces.find(frame, request, frame_index)

    def frames(
        self, indices: Sequence[int], later: Sequence[int] = (), *, far_apart: bool, check: Check = no_check
    ) -> Generator[Frame, None, None]:
        """The frames at `indices` in order, as `media.video.iter_frames` gives them. Close it when leaving early.

        later: what the same model will ask for next, to be kept when it is passed on the way. far_apart: reach them by
        seeking and decode no others for later, so that a few of a long file come soon.
        Raises: as `iter_frames`.
        """
        wanted = sorted(set(indices))
        kept = [i for i in wanted if i in self._keeper]
        todo = Wanted(wanted)
        self._settle_plans(check)
        self._ahead.update(later)
        fetch = self._to_fetch([i for i in wanted if i not in self._keeper], far_apart)
        reader = self._reader(check)
        read = reader.frames_at if far_apart else reader.frames
        with read(fetch, index=self.index(check)) if fetch else nullcontext() as stream:
            report = DecodeReport() if stream is None else stream.report
            for index, _, frame in _merged(kept, stream or ()):
                served = todo.takes(index, report)
                if served and self._claims[index]:
                    self._claims[index] -= 1
                if frame is not None and (self._claims[index] or not served):
                    self._keeper.put(frame)
                if served:
                    yield frame or self._keeper.get(index)

    def _settle_plans(self, check: Check) -> None:
        """Turn the plans into frames, now that the number of frames is known."""
        plans, self._plans = self._plans, []
        for plan in plans:
            named = wanted_frames(self.index(check), plan)
            self._claims.update(named)
            self._ahead.update(named)

    def _to_fetch(self, missing: list[int], far_apart: bool) -> list[int]:
        """What to decode now: what is missing, and on the way what will be wanted later, as far as there is room."""
        if not missing or far_apart:
            self._ahead.difference_update(missing)
            return missing
        self._ahead.difference_update(missing)
        media, fetch = self.evidence.media, set(missing)
        size = (media.width or 0) * (media.height or 0) * 3
        planned = size * sum(self._claims[i] > 1 for i in missing)
        for i in sorted(i for i in self._ahead if i < missing[-1] and i not in self._keeper):
            planned += size
            if not self._keeper.fits(planned):
                break
            fetch.add(i)
        # Each is fetched ahead once: a frame that the decoder cannot give is not tried over and over.
        self._ahead.difference_update(fetch)
        return sorted(fetch)

    def _reader(self, check: Check) -> Reader:
        def both() -> None:
            self.check()
            check()

        return self.evidence.reader(self.limits, both)


def _merged(kept: Sequence[int], stream: Iterator[Frame] | tuple[()]) -> Iterator[tuple[int, int, Frame | None]]:
    """(index, order, frame) of both in the order of their indices, each once; None stands for a kept frame."""
    last = -1
    # Kept ones come first where the decoder gives the same frame in place of one that it has not.
    for item in heapq.merge(((i, 0, None) for i in kept), ((frame.index, 1, frame) for frame in stream)):
        if item[0] != last:
            last = item[0]
            yield item
