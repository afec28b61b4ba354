"""Building blocks of the PDF: embedded fonts, paragraphs, tables, figures, cards, and pages with header and footer."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    Image,
    KeepTogether,
    PageTemplate,
    Paragraph,
    Spacer,
)
from reportlab.platypus import Table as Grid

from drishtiksha.report import pieces
from drishtiksha.report.pieces import Content, Facts, Headline, Picture

MARGIN, TOP, BOTTOM = 18 * mm, 22 * mm, 19 * mm
WIDTH = A4[0] - 2 * MARGIN
HEIGHT = A4[1] - TOP - BOTTOM
"""Points of what a page holds."""
INK, MUTED, LINE, SOFT, ACCENT = map(HexColor, ("#1b232e", "#55606f", "#d9dfe7", "#f4f6f9", "#0b5fa5"))
TONES: dict[str, tuple[Color, Color]] = {
    "strong": (HexColor("#9b1c1c"), HexColor("#fdf1f0")),
    "moderate": (HexColor("#a8430a"), HexColor("#fef4ec")),
    "weak": (HexColor("#735600"), HexColor("#fdf8e6")),
    "neutral": (HexColor("#34506e"), HexColor("#f0f4f9")),
    "grey": (HexColor("#566070"), HexColor("#f3f4f6")),
}
FONTS = {"Report": "DejaVuSans", "Report-Bold": "DejaVuSans-Bold"}
BOX = "□"
"""Stands for a character that the font does not have."""
TOTAL = "total"
PLAIN = ParagraphStyle("plain", fontName="Report", fontSize=9, leading=13, textColor=INK)


def style(name: str, **changes: Any) -> ParagraphStyle:
    return ParagraphStyle(name, parent=PLAIN, **changes)


BODY = style("body", spaceAfter=4)
SMALL = style("small", fontSize=7.6, leading=10.8)
NOTE = style("note", fontSize=7.6, leading=10.8, textColor=MUTED, spaceBefore=2, spaceAfter=4)
BOLD = style("bold", fontName="Report-Bold")
CAPTION = style("caption", fontName="Report-Bold", fontSize=8.2, spaceBefore=6, spaceAfter=2)
LABEL = style("label", fontSize=7.6, leading=10.8, textColor=MUTED)
STRONG_LABEL = style("strong-label", fontName="Report-Bold", fontSize=7.6, leading=10.8)
KICKER = style("kicker", fontName="Report-Bold", fontSize=8.5, textColor=ACCENT)
QUOTE = style("quote", leftIndent=9, borderColor=LINE, textColor=INK, spaceAfter=4)
HEADINGS = {
    0: style("title", fontName="Report-Bold", fontSize=18, leading=23, spaceAfter=2),
    1: style("part", fontName="Report-Bold", fontSize=15, leading=20, spaceAfter=4),
    2: style("section", fontName="Report-Bold", fontSize=11.5, leading=15, spaceBefore=9, spaceAfter=3),
    3: style("detail", fontName="Report-Bold", fontSize=9, textColor=MUTED, spaceBefore=8, spaceAfter=2),
}


ROOM = {"section": 50 * mm, "detail": 28 * mm, "caption": 22 * mm}
"""Points that must be left on a page below a heading or the title of a table; else it goes onto the next one."""


def kept_with_text(story: Sequence[Flowable]) -> list[Flowable]:
    """No heading stays alone at the foot of a page, and long tables still fill the page that they begin on."""
    spaced: list[Flowable] = []
    for flowable in story:
        needed = ROOM.get(flowable.style.name) if isinstance(flowable, Paragraph) else None
        spaced += [CondPageBreak(needed), flowable] if needed else [flowable]
    return spaced


def register_fonts() -> None:
    """DejaVu, as it ships with matplotlib: Latin, Greek, Cyrillic and more; what is used of it goes into the file."""
    if "Report-Bold" in pdfmetrics.getRegisteredFontNames():
        return
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name, file in FONTS.items():
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{file}.ttf")))
    pdfmetrics.registerFontFamily(
        "Report", normal="Report", bold="Report-Bold", italic="Report", boldItalic="Report-Bold"
    )


class Typesetter:
    """Makes flowables; remembers whether some text cannot be shown as it is written."""

    def __init__(self) -> None:
        register_fonts()
        self.incomplete = False
        self._known = set(pdfmetrics.getFont("Report").face.charToGlyph)

    def shown(self, text: str) -> str:
        """`text` in characters that the font has, without control characters; not escaped."""
        visible = []
        for character in text:
            if character in "\n\t":
                visible.append(" " if character == "\t" else character)
            elif unicodedata.category(character) in ("Cc", "Cf", "Cs"):
                continue
            elif ord(character) > 0xFFFF or ord(character) not in self._known:
                self.incomplete = True
                visible.append(BOX)
            else:
                self.incomplete |= unicodedata.bidirectional(character) in ("R", "AL")
                visible.append(character)
        return "".join(visible)

    def markup(self, text: str) -> str:
        return escape(self.shown(text)).replace("\n", "<br/>")

    def text(self, text: str, look: ParagraphStyle = BODY) -> Paragraph:
        return Paragraph(self.markup(text), look)

    def named(self, name: str, text: str, look: ParagraphStyle = BODY) -> Paragraph:
        return Paragraph(f"<b>{self.markup(name)}</b> {self.markup(text)}", look)

    def heading(self, text: str, level: int, bookmark: bool = True) -> Paragraph:
        """`level` 0 is the title; those above 2 are no bookmarks."""
        paragraph = self.text(text, HEADINGS[level])
        if bookmark and level < 3:
            paragraph.bookmark = (text, max(0, level - 1))
        return paragraph

    def bullets(self, lines: Sequence[str]) -> list[Flowable]:
        look = style("bullet", leftIndent=11, bulletIndent=2, spaceAfter=2)
        return [Paragraph(self.markup(line), look, bulletText="•") for line in lines]

    def facts(self, rows: Facts) -> Grid:
        cells = [[self.text(what, LABEL), self.text(value, SMALL)] for what, value in rows]
        return self.grid(cells, [WIDTH * 0.27, WIDTH * 0.73], [("LINEBELOW", (0, 0), (-1, -2), 0.4, LINE)])

    def columns(self, rows: Facts, count: int = 4) -> Grid:
        """Short facts beside each other, the name above the value."""
        cells: list[Any] = [[self.text(what, LABEL), self.text(value, SMALL)] for what, value in rows]
        cells += [""] * (-len(cells) % count)
        lines = [cells[i : i + count] for i in range(0, len(cells), count)]
        return self.grid(lines, [WIDTH / count] * count, [])

    def table(self, table: pieces.Table) -> list[Flowable]:
        widths = _widths(table)
        head = [self.text(heading, LABEL) for heading in table.headings]
        rows = [[self.text(c, SMALL if n else STRONG_LABEL) for n, c in enumerate(row)] for row in table.rows]
        rules = [("LINEABOVE", (0, 1), (-1, -1), 0.4, LINE)]
        return [self.text(table.caption, CAPTION), self.grid([head, *rows], widths, rules, repeatRows=1), Spacer(1, 4)]

    def grid(self, cells: Sequence[Any], widths: Sequence[float], rules: list[Any], **options: Any) -> Grid:
        """A table whose rows may go over several pages, however much is in one."""
        basic = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 7),
            ("TOPPADDING", (0, 0), (-1, -1), 2.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ]
        return Grid(cells, colWidths=widths, style=[*basic, *rules], hAlign="LEFT", splitInRow=1, **options)

    def card(self, verdict: Headline, who: str, large: bool) -> Grid:
        tone, ground = TONES[verdict.tone]
        size = 13 if large else 10.5
        look = style("said", fontName="Report-Bold", fontSize=size, leading=size * 1.35, textColor=tone)
        voices = "; ".join(f"{name}: {said}" for name, said in verdict.voices)
        cells = [
            [self.text(who, LABEL)],
            [self.text(f"{verdict.glyph}  {verdict.title}", look)],
            [self.text(f"{voices}. {verdict.text}" if voices else verdict.text, SMALL)],
        ]
        rules = [
            ("BACKGROUND", (0, 0), (-1, -1), ground),
            ("LINEBEFORE", (0, 0), (0, -1), 3.5, tone),
            ("LEFTPADDING", (0, 0), (-1, -1), 11),
            ("TOPPADDING", (0, 0), (-1, -1), 1),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
            ("TOPPADDING", (0, 0), (-1, 0), 6),
            ("BOTTOMPADDING", (0, -1), (-1, -1), 7),
        ]
        return self.grid(cells, [WIDTH], rules)

    def figure(self, picture: Picture, max_height: float = 110 * mm, title: str = "") -> KeepTogether:
        """On one page with its caption and, where there is one, its title."""
        shown = [Spacer(1, 4), self._image(picture, WIDTH, max_height), self.text(picture.caption, NOTE)]
        return KeepTogether([self.heading(title, 3), *shown] if title else shown)

    def gallery(self, pictures: Sequence[Picture], title: str) -> list[Flowable]:
        """Two beside each other, each with its caption; the title stays with the first two."""
        half = WIDTH / 2
        cells: list[Any] = [
            [self._image(picture, half - 7, 80 * mm), self.text(picture.caption, NOTE)] for picture in pictures
        ]
        cells += [""] * (len(cells) % 2)
        rows = [self.grid([cells[i : i + 2]], [half, half], []) for i in range(0, len(cells), 2)]
        return [KeepTogether([self.heading(title, 3), rows[0]]), *rows[1:]]

    def _image(self, picture: Picture, width: float, max_height: float) -> Image:
        scale = min(width / picture.width, max_height / picture.height)
        return Image(io.BytesIO(picture.data), picture.width * scale, picture.height * scale, hAlign="LEFT")


def _widths(table: pieces.Table) -> list[float]:
    """Columns as wide as what they hold asks for: never narrower than the longest word up to a limit."""
    wishes = []
    for column in range(len(table.headings)):
        cells = [table.headings[column], *(row[column] for row in table.rows)]
        longest_word = max((len(word) for cell in cells for word in re.split(r"[\s-]+", cell)), default=1)
        longest = max(len(cell) for cell in cells)
        bold = 1.3 if column == 0 else 1.0
        wishes.append(bold * max(min(longest_word, 18) + 2, min(longest, 64)) + 1.5)
    return [WIDTH * wish / sum(wishes) for wish in wishes]


class Document(BaseDocTemplate):
    """A4 with the case on every page and bookmarks of its headings."""

    def __init__(self, target: io.BytesIO, report: Content, typeset: Typesetter) -> None:
        super().__init__(
            target,
            pagesize=A4,
            title=report.title,
            author=f"Drishtiksha {report.version}",
            subject=f"Case {report.case_id}",
            creator=f"Drishtiksha {report.version}",
            lang="en",
        )
        self.left_head = f"Drishtiksha · case {report.case_id}"
        self.right_head = typeset.shown(_cut(report.file_name, 46))
        self.foot = f"Made {report.made_utc} with Drishtiksha {report.version}"
        frame = Frame(MARGIN, BOTTOM, WIDTH, HEIGHT, 0, 0, 0, 0)
        self.addPageTemplates(PageTemplate("page", [frame], onPage=self._decorate))

    def _decorate(self, canvas: Canvas, _: BaseDocTemplate) -> None:
        canvas.saveState()
        canvas.setFont("Report", 7.2)
        canvas.setFillColor(MUTED)
        canvas.setStrokeColor(LINE)
        canvas.setLineWidth(0.5)
        top, right = A4[1] - 13 * mm, A4[0] - MARGIN
        canvas.drawString(MARGIN, top, self.left_head)
        canvas.drawRightString(right, top, self.right_head)
        canvas.line(MARGIN, top - 5, right, top - 5)
        canvas.drawString(MARGIN, 11 * mm, self.foot)
        canvas.drawRightString(right - 12, 11 * mm, f"Page {canvas.getPageNumber()} of")
        canvas.translate(right - 9.5, 11 * mm)
        canvas.doForm(TOTAL)
        canvas.restoreState()

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802 - the name that ReportLab calls
        if (bookmark := getattr(flowable, "bookmark", None)) is not None:
            text, level = bookmark
            key = f"heading-{self.canv.getPageNumber()}-{id(flowable)}"
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(text, key, level)


class CountedCanvas(Canvas):
    """Writes how many pages there are once that is known."""

    def save(self) -> None:
        pages = self.getPageNumber() - 1
        self.beginForm(TOTAL, 0, -3, 30, 10)
        self.setFont("Report", 7.2)
        self.setFillColor(MUTED)
        self.drawString(0, 0, str(pages))
        self.endForm()
        super().save()


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
