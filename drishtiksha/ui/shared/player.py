"""The browser's own player on a copy of the evidence; `player.js` seeks it, loops a stretch and marks the moment.

Parts of a page ask for a moment (`seek.js`) by `data-player` (ids of players, spaces between them), `data-start`, `data-end`
(seconds) and `data-loop`; the player answers with `data-playing` on the pressed button and a spoken line.
"""

from __future__ import annotations

from pathlib import Path

from drishtiksha.results import MediaInfo
from drishtiksha.ui.shared.templates import fill


def player(media: MediaInfo, copy: Path, player_id: str) -> str:
    """The player with its loop bar; `player_id` is how other parts of the page name it."""
    return fill("shared/evidence_player.html", media=media, copy=str(copy), player_id=player_id)
