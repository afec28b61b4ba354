"""Characters that are not text: those that steer a terminal, and those that turn the direction of what follows.

A name that holds them can pass for another one ("gpj.exe" for "exe.jpg"), or write over what stands on the screen.
"""

from __future__ import annotations

import re

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u202a-\u202e\u2028\u2029\u2066-\u2069\ufff9-\ufffb]")
"""Controls but tab and line feed; embeddings, overrides and isolates of direction. Marks that scripts need stay: joiners, and
the two marks of direction that turn nothing but their neighbours."""

SIGN = "\N{REPLACEMENT CHARACTER}"

_UNWRITABLE = re.compile(f"{STEERING.pattern}|[\ud800-\udfff]")
"""The same, and the bytes of a file name that are no UTF-8, as Python holds them."""
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")


def is_text(head: bytes) -> bool:
    """Whether a file that begins so is UTF-8 text. head: may end in the midst of a character."""
    if b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


def readable(text: str) -> str:
    """The text with a sign in place of each such character."""
    return STEERING.sub(SIGN, text.replace("\r\n", "\n"))


def readable_json(text: str) -> str:
    """A JSON document in which each stands as an escape: it means the same, and steers nothing that prints it."""
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def escaped(text: str) -> str:
    """The text with an escape such as \\u202e in place of each such character, and of what UTF-8 cannot write; it steers nothing,
    and `unescaped` gives the text back."""
    told_apart = _ESCAPE.sub(lambda found: f"\\u005c{found[0][1:]}" if _is_ours(found) else found[0], text)
    return _UNWRITABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", told_apart)


def unescaped(text: str) -> str:
    """The text that `escaped` was given."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if _is_ours(found) else found[0], text)


def _is_ours(escape: re.Match[str]) -> bool:
    """Whether `escaped` writes such an escape: of others, as in a name of a folder under Windows, nothing is made."""
    character = chr(int(escape[1], 16))
    return character == "\\" or bool(_UNWRITABLE.fullmatch(character))
