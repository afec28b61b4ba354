"""axe-core finds nothing wrong on any tab, whatever is unfolded there, in light and in dark."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from axe_playwright_python.sync_playwright import Axe
from test_app import DROP, answered, asset, drop, unfold

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
COLOURS = {"runOnly": ["color-contrast"]}


def found(page, rules: dict[str, list[str]] = RULES) -> list[str]:
    violations = Axe().run(page, options=rules).response["violations"]
    return [f"{one['id']}: {node['target']} {node['html'][:160]}" for one in violations for node in one["nodes"]]


class Both:
    """What is found at each place, by its name, in light and in dark: of dark the colours alone, the rest is the same."""

    def __init__(self, page) -> None:
        self.page, self.wrong = page, dict[str, list[str]]()

    def look(self, place: str) -> None:
        self.wrong[place] = found(self.page)
        self._shade(True)
        self.wrong[f"{place}, dark"] = found(self.page, COLOURS)
        self._shade(False)

    def _shade(self, dark: bool) -> None:
        """Changes it, and waits until no colour is on its way any more."""
        self.page.evaluate(
            "async dark => { document.body.classList.toggle('dark', dark); await new Promise(requestAnimationFrame);"
            " const moving = document.getAnimations().filter(one => one instanceof CSSTransition);"
            " await Promise.allSettled(moving.map(one => one.finished)); await new Promise(requestAnimationFrame); }",
            dark,
        )

    @property
    def all(self) -> dict[str, list[str]]:
        return {place: what for place, what in self.wrong.items() if what}


@pytest.fixture
def two_tracks(tmp_path: Path) -> Path:
    """The clip with sound, its sound twice."""
    target = tmp_path / "two tracks.mkv"
    with av.open(str(target), "w") as out, av.open(str(asset("clip_with_sound.mp4"))) as clip:
        video, sound = clip.streams.video[0], clip.streams.audio[0]
        copies = {video: [out.add_stream_from_template(video)], sound: [out.add_stream_from_template(sound)]}
        copies[sound].append(out.add_stream_from_template(sound))
        for packet in clip.demux(video, sound):
            for copy in copies[packet.stream] if packet.size else []:
                packet.stream = copy
                out.mux(packet)
    return target


def test_nothing_is_found_on_any_tab(open_page) -> None:
    page = open_page()
    seen = Both(page)
    seen.look("empty page")
    page.click("#dk-examples button[data-state=signs] >> nth=1")
    page.wait_for_selector("#dk-timeline .dk-svg")
    unfold(page, "#dk-doubt-box")
    page.wait_for_selector("#dk-doubt .dk-doubt")
    seen.look("an answer, and why it may be a false alarm")
    for tab, ready in (
        ("Compare", "#dk-picks label"),
        ("Review", "#dk-review-filters select"),
        ("Models", ".dk-shelf"),
    ):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_selector(ready)
        seen.look(tab)
    page.click("#dk-shelf summary >> nth=0")
    page.wait_for_selector("#dk-shelf section[aria-label='Add detectors']")
    seen.look("Add detectors")
    assert seen.all == {}


def test_nothing_is_found_where_a_case_is_open(open_page, two_tracks: Path, tmp_path: Path) -> None:
    page = open_page()
    seen = Both(page)
    (tmp_path / "notes.mp4").write_text("This is not a film.\n" * 20)
    page.set_input_files(DROP, tmp_path / "notes.mp4")
    page.wait_for_selector("#dk-notice [role=alert]")
    seen.look("an error")
    drop(page, two_tracks)
    page.wait_for_selector("#dk-tracks [data-track]")
    seen.look("at work")
    answered(page)
    for box in ("look", "facts", "provenance", "details", "stress"):
        unfold(page, f"#dk-{box}-box")
    unfold(page, "#dk-detectors")
    page.wait_for_selector("#dk-look canvas")
    page.click("#dk-key-frames [data-find]")
    page.wait_for_selector(".dk-scenes li")
    page.click("#dk-delete [data-do=ask]")
    page.evaluate("document.querySelectorAll('#dk-desk details').forEach(one => { one.open = true; })")
    seen.look("a case with all of it unfolded")
    page.click(".dk-to-review")
    page.wait_for_selector("#dk-review-chart .dk-svg")
    seen.look("a case in Review")
    page.goto(page.url.replace("?job=", "?compare="))
    page.wait_for_selector("#dk-compare-seen img")
    seen.look("a comparison")
    assert seen.all == {}
