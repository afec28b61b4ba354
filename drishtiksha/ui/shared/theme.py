"""Colours, type and spacing for light and dark pages. Fonts come from the installed gradio: no font is fetched."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STATIC = Path(__file__).parents[1] / "static"
CSS_PATHS = sorted(STATIC.glob("*.css"), key=lambda path: (path.name != "style.css", path.name))
"""All style sheets: first the one with the colours, then those of single tabs."""
FAVICON_PATH = STATIC / "favicon.svg"
PREVIEW_PATH = STATIC / "preview.png"
"""Shown where a link to the page is shared."""

_INK = gr.themes.Color(
    name="ink",
    c50="#f5f7fa",
    c100="#ebeff4",
    c200="#dce2ea",
    c300="#c3cad4",
    c400="#8f9aaa",
    c500="#5b6675",
    c600="#465060",
    c700="#323b48",
    c800="#1f2732",
    c900="#171c24",
    c950="#0f131a",
)
_BLUE = gr.themes.Color(
    name="deep",
    c50="#eef5fc",
    c100="#d9e9f8",
    c200="#b4d3f0",
    c300="#85b8e6",
    c400="#559ad8",
    c500="#2a7ac4",
    c600="#0b5fa5",
    c700="#0a4f8a",
    c800="#0b416f",
    c900="#0c355a",
    c950="#08233c",
)


_LOOK = {
    "body_background_fill": "*neutral_50",
    "body_background_fill_dark": "*neutral_950",
    "body_text_color": "*neutral_800",
    "body_text_color_dark": "#e8ecf2",
    "body_text_color_subdued": "*neutral_500",
    "body_text_color_subdued_dark": "#a3adbb",
    "background_fill_primary": "white",
    "background_fill_primary_dark": "*neutral_900",
    "background_fill_secondary": "*neutral_50",
    "background_fill_secondary_dark": "*neutral_950",
    "border_color_primary": "*neutral_200",
    "border_color_primary_dark": "#2a323d",
    "block_background_fill": "white",
    "block_background_fill_dark": "*neutral_900",
    "block_border_color": "*neutral_200",
    "block_border_color_dark": "#2a323d",
    "block_border_width": "1px",
    "block_label_background_fill": "transparent",
    "block_label_background_fill_dark": "transparent",
    "block_label_border_width": "0px",
    "block_label_text_color": "*neutral_500",
    "block_label_text_color_dark": "#a3adbb",
    "block_shadow": "none",
    "block_shadow_dark": "none",
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_dark": "*primary_600",
    "button_primary_background_fill_hover_dark": "*primary_700",
    "button_primary_text_color": "white",
    "button_secondary_background_fill": "white",
    "button_secondary_background_fill_hover": "*neutral_100",
    "button_secondary_background_fill_dark": "*neutral_800",
    "button_secondary_background_fill_hover_dark": "*neutral_700",
    "button_secondary_border_color": "*neutral_300",
    "button_secondary_border_color_dark": "*neutral_600",
    "button_border_width": "1px",
    "input_background_fill": "white",
    "input_background_fill_dark": "*neutral_900",
    "link_text_color": "*primary_600",
    "link_text_color_dark": "*primary_300",
}


def theme() -> gr.themes.Base:
    """Quiet paper-and-ink surfaces with one blue accent, so that the verdict is the loudest thing on the page."""
    sans: list[gr.themes.Font | str] = [
        gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)),
        "system-ui",
        "sans-serif",
    ]
    mono: list[gr.themes.Font | str] = ["ui-monospace", "monospace"]
    base = gr.themes.Base(
        primary_hue=_BLUE,
        secondary_hue=_BLUE,
        neutral_hue=_INK,
        font=sans,
        font_mono=mono,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
    )
    return base.set(**_LOOK)
