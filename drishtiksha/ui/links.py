"""The address of a job: `?job=<id>` in the page's URL, by which anybody who may see it comes back to it."""

from __future__ import annotations

import gradio as gr

from drishtiksha.ui.elements import html

LINK_JS = """
const put = () => {
  const mark = element.querySelector('[data-job]'), given = new URLSearchParams(location.search);
  const job = mark ? mark.dataset.job : '';
  if ((given.get('job') || '') === job) return;
  if (job) given.set('job', job); else given.delete('job');
  const search = given.toString();
  history.replaceState(null, '', location.pathname + (search ? '?' + search : '') + location.hash);
};
watch('value', () => setTimeout(put, 0));
element.addEventListener('click', event => {
  const button = event.target.closest('button.dk-copy');
  if (!button) return;
  const link = element.querySelector('a[data-job]');
  navigator.clipboard.writeText(link.href).then(() => { button.textContent = 'Copied'; }, () => { link.focus(); });
});
"""
"""Brings the URL in line with the job that the page shows; an element that was never written to leaves it alone."""


def element(elem_id: str) -> gr.HTML:
    """Holds the link of the job that a tab shows; give it `markup(job_id)`."""
    return html("", js_on_load=LINK_JS, elem_id=elem_id)


def markup(job_id: str, *, ended: bool = False) -> str:
    """A link to a job; empty without one, which takes it out of the URL."""
    if not job_id:
        return "<span hidden></span>"
    link = f'<a href="?job={job_id}" data-job="{job_id}">this link</a>'
    told = (
        f"{link.replace('this link', 'This link')} shows this again."
        if ended
        else f"This page may be closed: the work goes on, and {link} comes back to it."
    )
    copy = '<button type="button" class="dk-act dk-copy">Copy the link</button>'
    return f'<p class="dk-link dk-hint"><span>{told}</span> {copy}</p>'


def job_of(request: gr.Request | None) -> str:
    """The job that the page was opened with, or ""."""
    return str(request.query_params.get("job") or "") if request is not None else ""
