"""Drishtiksha: an open desk for examining suspicious media."""

__version__ = "0.1.0"
