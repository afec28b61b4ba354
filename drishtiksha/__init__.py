"""Drishtiksha: an open desk for examining suspicious media."""

__version__ = "0.4.0"
