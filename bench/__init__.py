"""Measurements; `make bench` writes RESULTS.md. Medians, on the machine that it names."""
