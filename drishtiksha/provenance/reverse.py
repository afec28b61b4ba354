"""Services that look for earlier copies of a picture. Only addresses: nothing is sent to them from here."""

from __future__ import annotations


def reverse_search_links() -> tuple[tuple[str, str], ...]:
    """(name, https address) of pages where the user may choose the file to be uploaded, by their own hand."""
    return (
        ("TinEye", "https://tineye.com/"),
        ("Google Lens", "https://lens.google.com/"),
        ("Yandex Images", "https://yandex.com/images/"),
        ("Bing Visual Search", "https://www.bing.com/visualsearch"),
    )
