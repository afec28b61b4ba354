"""The Models tab on the real page: cards, loading and unloading, on a desktop and on a phone."""

from __future__ import annotations

from running_app import MODEL
from test_app import no_sideways_scroll


def open_shelf(page) -> None:
    page.get_by_role("tab", name="Models").click()
    page.wait_for_selector("#dk-shelf .dk-shelf")


def press_while_it_is_drawn_anew(page, button) -> None:
    """Another button stands in its place when the pointer comes up, as after a redraw of the list, which takes a click away."""
    button.hover()
    page.mouse.down()
    button.evaluate("button => button.replaceWith(button.cloneNode(true))")
    page.mouse.up()


def test_a_model_is_loaded_and_unloaded_from_its_card(open_page) -> None:
    page = open_page()
    open_shelf(page)
    card = page.locator(".dk-shelf", has=page.locator(f"summary b:text-is('{MODEL}')"))
    card.locator("summary").click()
    card.get_by_text("Known failures").wait_for()
    if card.locator("button[data-action=unload]").count() == 0:
        press_while_it_is_drawn_anew(page, card.locator("button[data-action=load]"))
        page.wait_for_selector(f"#dk-shelf-status:has-text('{MODEL}: loaded')")
    card.get_by_text("Loaded in").wait_for()
    card.get_by_text("million").wait_for()
    card.locator("button[data-action=unload]").click()
    page.wait_for_selector("#dk-shelf-status:has-text('no longer in memory')")
    card.get_by_text("Loads on first use").wait_for()


def test_every_state_stands_in_words_and_fits_a_phone(open_page) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    open_shelf(page)
    assert "models can be used now" in page.inner_text("#dk-shelf")
    for summary in page.locator(".dk-shelf summary").all()[:3]:
        summary.click()
    page.locator(".dk-shelf[open]").nth(2).wait_for()
    no_sideways_scroll(page)
