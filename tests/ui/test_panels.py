from __future__ import annotations

from sample_results import SHA, media

from drishtiksha.ui.shared import panels

NASTY = '<img src=x onerror=alert(1)>"${alert(2)}.mp4'


def test_names_from_files_are_escaped_everywhere() -> None:
    nasty = media(name=NASTY, encoder=NASTY)
    for html in (panels.evidence(nasty, [NASTY]), panels.problem(NASTY, NASTY, NASTY), panels.status(NASTY, NASTY)):
        assert "<img src=x" not in html


def test_an_error_is_an_alert_and_concludes_nothing() -> None:
    html = panels.problem("clip.mp4 cannot be read.", "ab12")
    assert 'role="alert"' in html
    assert "Nothing was concluded" in html
    assert "ab12" in html


def test_facts_show_the_hash_and_the_remarks() -> None:
    html = panels.evidence(media(), ["It fits."])
    assert SHA in html
    assert "It fits." in html


def test_status_speaks_politely() -> None:
    assert 'aria-live="polite"' in panels.status("Scoring")
