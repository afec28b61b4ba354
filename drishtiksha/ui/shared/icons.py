"""Inline pictograms (24 x 24, drawn here), so that nothing is fetched. Each stands beside words, never alone."""

from __future__ import annotations

from markupsafe import Markup

_PATHS = {
    "alert": '<path d="M8.2 2.8h7.6l5.4 5.4v7.6l-5.4 5.4H8.2l-5.4-5.4V8.2z"/><path d="M12 7.5v5.5M12 16.4v.1"/>',
    "warning": '<path d="M12 3.2 22 20.4H2z"/><path d="M12 9.6v4.9M12 17.4v.1"/>',
    "notice": '<path d="M12 2.6 21.4 12 12 21.4 2.6 12z"/><path d="M12 8v4.6M12 15.7v.1"/>',
    "search": '<circle cx="10.4" cy="10.4" r="6.9"/><path d="m15.5 15.5 5.7 5.7M7.6 10.4h5.6"/>',
    "question": '<circle cx="12" cy="12" r="9.2"/><path d="M9.3 9.4a2.8 2.8 0 1 1 4 2.6c-.9.4-1.3 1-1.3 1.9M12 17.1v.1"/>',
    "minus": '<circle cx="12" cy="12" r="9.2"/><path d="M7.5 12h9"/>',
    "broken": '<path d="M6 2.8h8.2l4.6 4.6v13.8H6z"/><path d="m9.4 11 5.4 5.6m0-5.6-5.4 5.6"/>',
    "stop": '<circle cx="12" cy="12" r="9.2"/><path d="M9 9h6v6H9z"/>',
    "eye": '<path d="M1.8 12S5.6 5 12 5s10.2 7 10.2 7-3.8 7-10.2 7S1.8 12 1.8 12z"/><circle cx="12" cy="12" r="3.1"/>',
    "check": '<path d="m5 12.6 4.6 4.6L19.4 7"/>',
}


def icon(name: str) -> Markup:
    """SVG markup, hidden from screen readers. Raises: KeyError for an unknown name."""
    return Markup(  # noqa: S704 - drawn here
        '<svg class="dk-icon" viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" '
        f'stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{_PATHS[name]}</svg>'
    )
