"""A detector that waits where a test tells it to, and notes what it scores: files stand for signals, so that they reach
another process too."""

from __future__ import annotations

from pathlib import Path

from planted import PLANTED

GATED = f'''
"""Before each sample from `hold_from` on it waits for the file `gate`, and it notes each in `counted`."""
{PLANTED}

class GatedConfig(DetectorConfig):
    gate: str
    counted: str
    hold_from: int = 0
    num_frames: int = 12
    slow_s: float = 0.0
    batch_size: int = 1


class GatedDetector(Planted):
    Config = GatedConfig

    def sampling(self, media):
        return FramePlan(count=self.config.num_frames, sparse=self.config.num_frames)

    def before(self, sample):
        time.sleep(self.config.slow_s)
        waits = Path(self.config.gate + ".waits")
        while sample.index >= self.config.hold_from and not Path(self.config.gate).exists():
            waits.touch()
            time.sleep(0.01)
        waits.unlink(missing_ok=True)
        with open(self.config.counted, "a") as file:
            print(sample.index, file=file)
'''


def counted(path: Path) -> list[int]:
    """The indices that were scored, in order."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []
