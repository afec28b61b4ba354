"""Links back to what a tab shows: `?job=<id>` and `?compare=<code>` in the page's address, which the page keeps in line."""

from __future__ import annotations

from html import escape

import gradio as gr

from drishtiksha.ui.shared.elements import html

LINK_JS = """
const mark = () => element.querySelector('[data-param]');
const put = () => {
  if (!mark()) return;
  const {param, value} = mark().dataset, page = new URL(location.href);
  if ((page.searchParams.get(param) || '') === value) return;
  if (value) page.searchParams.set(param, value); else page.searchParams.delete(param);
  history.replaceState(history.state, '', page.href);
};
watch('value', () => setTimeout(put, 0));
element.addEventListener('click', event => {
  if (!event.target.closest('button.dk-copy')) return;
  const {param, value} = mark().dataset, link = new URL(location.pathname, location.href);
  link.searchParams.set(param, value);
  const say = told => { element.querySelector('[role=status]').textContent = told; };
  const written = navigator.clipboard ? navigator.clipboard.writeText(link.href) : Promise.reject();
  written.then(() => say('Copied.'), () => say('The browser did not allow it: copy it from the address line.'));
});
"""
"""An element that was never written to leaves the address alone: a page may just be opening the one that it was given."""


def element(elem_id: str, value: str = "") -> gr.HTML:
    """Holds the link of what a tab shows; give it `job`, `comparison` or `nothing`."""
    return html(value, js_on_load=LINK_JS, elem_id=elem_id)


def nothing(param: str) -> str:
    """Takes the parameter out of the address."""
    return f'<span hidden data-param="{param}" data-value=""></span>'


def job(job_id: str, *, ended: bool = False) -> str:
    """A link to a job; without one `nothing`."""
    if not job_id:
        return nothing("job")
    link = f'<a href="?job={job_id}">{"This" if ended else "this"} link</a>'
    told = (
        f"{link} shows this again."
        if ended
        else f"This page may be closed: the work goes on, and {link} comes back to it."
    )
    return _line("job", job_id, told)


def comparison(code: str) -> str:
    """A link to a comparison; without one `nothing`."""
    if not code:
        return nothing("compare")
    told = "The address of this page leads back to this comparison, also after the tab was closed."
    return _line("compare", code, told)


def job_of(request: gr.Request | None) -> str:
    """The job that the page was opened with, or ""."""
    return str(request.query_params.get("job") or "") if request is not None else ""


def _line(param: str, value: str, told: str) -> str:
    return (
        f'<p class="dk-link dk-hint" data-param="{param}" data-value="{escape(value)}"><span>{told}</span>'
        '<button type="button" class="dk-act dk-copy">Copy the link</button>'
        '<span role="status" aria-live="polite"></span></p>'
    )
