"""Would this verdict survive? The same evidence changed as the internet changes it, and scored again."""

from drishtiksha.stress.run import stress_test

__all__ = ["stress_test"]
