"""The browser's own player on a copy of the evidence, and the scripts that seek it, loop a stretch and mark the moment.

Parts of a page ask for a moment by `data-player` (ids of players, spaces between them), `data-start`, `data-end` (seconds) and
`data-loop`; the player answers with `data-playing` on the pressed button and a spoken line.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import quote

from drishtiksha.results import MediaInfo, MediaKind

PLAYER_JS = """
const media = () => element.querySelector('video, audio');
const say = text => { const line = element.querySelector('.dk-loop-line'); if (line) line.textContent = text; };
const clock = s => { const t = Math.max(0, Math.round(s * 10)); const whole = Math.floor(t / 10);
  return String(Math.floor(whole / 60)).padStart(2, '0') + ':' + String(whole % 60).padStart(2, '0') + '.' + t % 10; };
const own = () => element.querySelector('.dk-player')?.id;
let loop = null, pressed = null, armed = false;
const stop = () => {
  if (pressed) { pressed.setAttribute('aria-pressed', 'false'); pressed = null; }
  const was = loop; loop = null;
  const bar = element.querySelector('.dk-loop'); if (bar) bar.hidden = true;
  if (was) say('Looping stopped.');
};
const dock = () => {
  const box = element.querySelector('.dk-player'), frame = element.querySelector('.dk-player-frame');
  if (!box || !frame || !media()) return;
  const seen = box.getBoundingClientRect();
  const away = armed && seen.width > 0 && (seen.bottom < 60 || seen.top > window.innerHeight - 60);
  if (away === frame.classList.contains('dk-docked')) return;
  box.style.minHeight = away ? seen.height + 'px' : '';
  frame.classList.toggle('dk-docked', away);
};
const mark = () => {
  const player = media(); if (!player) return;
  document.querySelectorAll(`.dk-seek[data-player~="${own()}"]`).forEach(chart => {
    const from = Number(chart.dataset.start), to = Number(chart.dataset.end);
    const along = Math.min(1, Math.max(0, (player.currentTime - from) / (to - from)));
    chart.style.setProperty('--at', along);
    chart.setAttribute('aria-valuenow', player.currentTime.toFixed(1));
    chart.setAttribute('aria-valuetext', clock(player.currentTime));
  });
};
element.addEventListener('dk-goto', event => {
  const player = media(); if (!player) return;
  const {start, end, button} = event.detail;
  if (button && button === pressed) { stop(); player.pause(); return; }
  stop(); armed = true;
  player.currentTime = start;
  if (button) {
    loop = {start, end: Math.max(end, start + 0.4)}; pressed = button; button.setAttribute('aria-pressed', 'true');
    const bar = element.querySelector('.dk-loop'); bar.hidden = false;
    say(`Looping ${clock(loop.start)} to ${clock(loop.end)}.`);
    player.play().catch(() => say('Press play: the browser did not start the player by itself.'));
  } else say(`At ${clock(start)}.`);
  dock(); mark();
});
element.addEventListener('timeupdate', () => {
  const player = media();
  if (loop && player && (player.currentTime >= loop.end || player.currentTime < loop.start - 0.3))
    player.currentTime = loop.start;
  mark();
}, true);
element.addEventListener('seeked', mark, true);
element.addEventListener('ended', () => {
  if (!loop) return;
  media().currentTime = loop.start; media().play();
}, true);
element.addEventListener('click', event => {
  if (event.target.closest('.dk-loop-stop')) { stop(); media()?.focus(); }
  if (event.target.closest('.dk-undock')) { armed = false; dock(); }
});
document.addEventListener('keydown', event => { if (event.key === 'Escape' && loop) stop(); });
window.addEventListener('scroll', dock, {passive: true});
window.addEventListener('resize', dock);
watch('value', () => { loop = null; pressed = null; armed = false; });
"""

SEEK_JS = """
const go = (target, start, end, button) => target.dataset.player.split(' ').forEach(name =>
  document.querySelector('#' + CSS.escape(name))?.dispatchEvent(
    new CustomEvent('dk-goto', {bubbles: true, detail: {start, end, button}})));
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-start]');
  if (button) { go(button, Number(button.dataset.start), Number(button.dataset.end),
    button.hasAttribute('data-loop') ? button : null); return; }
  const chart = event.target.closest('.dk-seek');
  if (!chart || event.target.tagName !== 'IMG') return;
  const box = event.target.getBoundingClientRect(), side = event.target.matches('.dk-narrow') ? 'narrow' : 'wide';
  const left = Number(chart.dataset[side + 'Left']), right = Number(chart.dataset[side + 'Right']);
  const from = Number(chart.dataset.start), to = Number(chart.dataset.end);
  const along = ((event.clientX - box.left) / box.width - left) / (right - left);
  go(chart, from + Math.min(1, Math.max(0, along)) * (to - from), 0, null);
});
element.addEventListener('keydown', event => {
  const chart = event.target.closest('.dk-seek'); if (!chart) return;
  const from = Number(chart.dataset.start), to = Number(chart.dataset.end), step = (to - from) / 50;
  const now = Number(chart.getAttribute('aria-valuenow'));
  const there = {ArrowRight: now + step, ArrowUp: now + step, ArrowLeft: now - step, ArrowDown: now - step,
    PageUp: now + 10 * step, PageDown: now - 10 * step, Home: from, End: to}[event.key];
  if (there === undefined) return;
  event.preventDefault();
  go(chart, Math.min(to, Math.max(from, there)), 0, null);
});
"""


def markup(media: MediaInfo, copy: Path, player_id: str) -> str:
    """The player with its loop bar; `player_id` is how other parts of the page name it."""
    source = f"gradio_api/file={quote(str(copy))}"
    name = escape(media.name)
    if media.kind is MediaKind.IMAGE:
        return f'<div class="dk-player" id="{player_id}"><img src="{source}" alt="The picture {name}"></div>'
    if media.kind is MediaKind.VIDEO:
        shown = f'<video controls playsinline preload="metadata" src="{source}" aria-label="Player of {name}"></video>'
    else:
        shown = f'<audio controls preload="metadata" src="{source}" aria-label="Player of {name}"></audio>'
    return (
        f'<div class="dk-player" id="{player_id}"><div class="dk-player-frame">'
        '<button type="button" class="dk-undock" aria-label="Put the player back in its place">'
        f'<span aria-hidden="true">×</span></button>{shown}<div class="dk-loop" hidden>'
        '<button type="button" class="dk-act dk-loop-stop">Stop looping</button>'
        '<span class="dk-hint" aria-hidden="true">or press Esc</span></div>'
        '<p class="dk-hint dk-loop-line" role="status" aria-live="polite"></p></div></div>'
    )
