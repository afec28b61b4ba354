"""From evidence and a detector to an `AnalysisResult`; detectors are known only through `contract`."""

from drishtiksha.analysis.run import analyze

__all__ = ["analyze"]
