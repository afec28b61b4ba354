"""Characters that are not text: those that steer a terminal, and those that turn the direction of what follows.

A name that holds them can pass for another one ("gpj.exe" for "exe.jpg"), or write over what stands on the screen.
"""

from __future__ import annotations

import re

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u202a-\u202e\u2028\u2029\u2066-\u2069\ufff9-\ufffb]")
"""Controls but tab and line feed; embeddings, overrides and isolates of direction. Marks that scripts need stay: joiners, and
the two marks of direction that turn nothing but their neighbours."""

SIGN = "\N{REPLACEMENT CHARACTER}"


def readable(text: str) -> str:
    """The text with a sign in place of each such character."""
    return STEERING.sub(SIGN, text.replace("\r\n", "\n"))


def readable_json(text: str) -> str:
    """A JSON document in which each stands as an escape: it means the same, and steers nothing that prints it."""
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
