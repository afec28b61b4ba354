"""A detector that takes its process down, in the way that a file tells it to; for a folder of detectors, so that worker
processes have it too."""

from __future__ import annotations

from planted import PLANTED

FRAGILE = f'''
"""As long as the file `fault` is there it ends or stops its process, by the signal named in it, or leaves a decoder astray,
and notes that in `fault.noted`."""

import signal
import threading
{PLANTED}
from drishtiksha.media import guard


class FragileConfig(DetectorConfig):
    fault: str = ""
    slow_s: float = 0.0


class FragileDetector(Planted):
    Config = FragileConfig

    def sampling(self, media):
        return FramePlan(count=2, sparse=2)

    def before(self, sample):
        fault = Path(self.config.fault)
        if self.config.fault and fault.exists():
            what = fault.read_text()
            with open(self.config.fault + ".noted", "a") as noted:
                noted.write("x")
            if what == "astray":
                decoder = threading.Thread(target=time.sleep, args=(600,), daemon=True)
                decoder.start()
                guard._given_up[decoder] = time.monotonic() - 11
                return
            number = getattr(signal, what)
            signal.raise_signal(number)  # to this thread, which is where a fault in memory arises
        time.sleep(self.config.slow_s)
'''
