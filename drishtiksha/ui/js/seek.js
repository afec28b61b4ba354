// Asks the players that `data-player` names for a moment (`data-start`, s) or a loop (`data-loop`, to `data-end`).
const go = (target, start, end, button) => target.dataset.player.split(' ').forEach(name =>
  document.querySelector('#' + CSS.escape(name))?.dispatchEvent(
    new CustomEvent('dk-goto', {bubbles: true, detail: {start, end, button}})));
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-start]');
  if (button) { go(button, Number(button.dataset.start), Number(button.dataset.end),
    button.hasAttribute('data-loop') ? button : null); return; }
  const chart = event.target.closest('.dk-seek');
  if (!chart) return;
  const plot = chart.querySelector('.dk-svg').getBoundingClientRect();
  const from = Number(chart.dataset.start), to = Number(chart.dataset.end);
  go(chart, from + Math.min(1, Math.max(0, (event.clientX - plot.left) / plot.width)) * (to - from), 0, null);
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
