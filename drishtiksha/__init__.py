"""Drishtiksha: an open desk for examining suspicious media."""

import os

__version__ = "0.4.0"

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Read once, when torch is loaded. Threads of a network that wait for each other sleep: on a processor that also serves a
# page, threads that wait in a loop take the time from the one they wait for.
