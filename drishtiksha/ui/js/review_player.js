// Goes behind player.js, in whose scope it runs: media, position, seek, loop, stop, say, own, clock, mark.
const STEP_S = 1, FAR_S = 5, INSIDE_S = 0.002;
const RATES = [0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];
const stage = () => element.querySelector('.dk-stage');
const shot = () => element.querySelector('.dk-shot');
const form = () => document.querySelector('#dk-review-form form');
const fullClock = s => { const t = Math.max(0, Math.round(s * 1000));
  const two = n => String(n).padStart(2, '0');
  return two(Math.floor(t / 60000)) + ':' + two(Math.floor(t / 1000) % 60) + '.' + String(t % 1000).padStart(3, '0'); };
let stamps = [], stampsOf = null;
const frames = () => {
  const told = stage()?.dataset.times || '';
  if (stampsOf !== told) { stampsOf = told; stamps = told ? told.split(',').map(Number) : []; }
  return stamps;
};
const frameAt = time => {
  let low = 0, high = frames().length - 1;
  while (low < high) { const middle = (low + high + 1) >> 1; if (stamps[middle] <= time + 1e-4) low = middle; else high = middle - 1; }
  return low;
};
const read = () => {
  const player = media(), line = element.querySelector('.dk-readout'); if (!player || !line) return;
  const count = frames().length, fps = Number(stage().dataset.fps);
  const number = count ? frameAt(position()) + 1 : fps ? Math.floor(position() * fps) + 1 : 0;
  line.textContent = fullClock(position()) + (number ? ` · frame ${number}${count ? ' of ' + count : ''}` : '');
  const bar = element.querySelector('.dk-scrub');
  if (bar && document.activeElement !== bar && player.duration) bar.value = position() / player.duration;
  const button = element.querySelector('[data-do="play"]');
  if (button) button.querySelector('b').textContent = player.paused ? 'Play' : 'Pause';
};
const goTo = time => {
  const player = media(); if (!player) return;
  hideRegion();
  seek(Math.min(Math.max(0, time), player.duration || Infinity));
  read(); mark();
};
const step = way => {
  const player = media(); if (!player || player.tagName !== 'VIDEO') return;
  player.pause();
  const count = frames().length, fps = Number(stage().dataset.fps) || 25;
  // A little inside the frame: on its very border a browser may show the one before it.
  if (count) goTo(stamps[Math.min(count - 1, Math.max(0, frameAt(position()) + way))] + INSIDE_S);
  else goTo(position() + way / fps);
};
const flags = () => [...element.querySelectorAll('button[data-flag]')];
const choose = button => flags().forEach(one => one.toggleAttribute('data-chosen', one === button));
const jump = way => {
  const now = position(), all = flags();
  const found = way > 0 ? all.find(one => Number(one.dataset.start) > now + 0.05)
    : all.filter(one => Number(one.dataset.start) < now - 0.3).pop();
  if (!found) { say(all.length ? `There is no flagged stretch ${way > 0 ? 'after' : 'before'} this.` : 'Nothing is flagged.'); return; }
  if (loop) stop();
  choose(found); goTo(Number(found.dataset.start) + INSIDE_S);
  say(`Flagged stretch ${found.dataset.flag} of ${all.length}.`);
};
const repeat = button => {
  const now = position();
  const one = button || flags().find(flag => flag.hasAttribute('data-chosen'))
    || flags().find(flag => now >= Number(flag.dataset.start) - 0.05 && now <= Number(flag.dataset.end)) || flags()[0];
  if (!one) { say('Nothing is flagged.'); return; }
  choose(one); hideRegion();
  element.querySelector('.dk-player').dispatchEvent(new CustomEvent('dk-goto', {bubbles: true,
    detail: {start: Number(one.dataset.start), end: Number(one.dataset.end), button: one}}));
};
const speed = way => {
  const player = media(); if (!player) return;
  const now = RATES.reduce((best, rate, i) => Math.abs(rate - player.playbackRate) < Math.abs(RATES[best] - player.playbackRate) ? i : best, 0);
  player.playbackRate = RATES[Math.min(RATES.length - 1, Math.max(0, now + way))];
  element.querySelector('.dk-rate').textContent = player.playbackRate + '×';
};
const toggle = () => {
  const player = media(); if (!player) return;
  if (player.paused) { hideRegion(); begin(); } else player.pause();
};

// Regions, in pixels of the upright frame
const regionBox = () => element.querySelector('.dk-region');
const hideRegion = () => { const box = regionBox(); if (box) box.hidden = true; };
const drawRegion = (left, top, right, bottom) => {
  const box = regionBox(); if (!box) return;
  box.hidden = false;
  Object.assign(box.style, {left: left * 100 + '%', top: top * 100 + '%', width: (right - left) * 100 + '%', height: (bottom - top) * 100 + '%'});
};
const showRegion = region => {
  const wide = Number(stage().dataset.width), high = Number(stage().dataset.height);
  drawRegion(region[0] / wide, region[1] / high, region[2] / wide, region[3] / high);
};
let drag = null;
const place = event => {
  const box = shot().getBoundingClientRect(), within = n => Math.min(1, Math.max(0, n));
  return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
};
const spanned = event => {
  const [x, y] = place(event), [x0, y0] = drag.from;
  return [Math.min(x, x0), Math.min(y, y0), Math.max(x, x0), Math.max(y, y0)];
};
const armed4touch = () => stage()?.classList.contains('dk-marking');
element.addEventListener('pointerdown', event => {
  if (!event.target.closest('.dk-shot') || event.button || (event.pointerType === 'touch' && !armed4touch())) return;
  event.preventDefault(); stage().focus({preventScroll: true});
  drag = {from: place(event), id: event.pointerId, moved: false};
  shot().setPointerCapture(event.pointerId);
});
element.addEventListener('pointermove', event => {
  if (!drag || event.pointerId !== drag.id) return;
  const [left, top, right, bottom] = spanned(event);
  if (!drag.moved && right - left < 0.015 && bottom - top < 0.015) return;
  if (!drag.moved) { drag.moved = true; if (stage().dataset.width) media()?.pause(); }
  drawRegion(left, top, right, bottom);
});
element.addEventListener('pointerup', event => {
  if (!drag || event.pointerId !== drag.id) return;
  const moved = drag.moved, [left, top, right, bottom] = spanned(event);
  drag = null;
  if (!moved) { toggle(); return; }
  if (right - left < 0.01 || bottom - top < 0.01) { hideRegion(); return; }
  const wide = Number(stage().dataset.width), high = Number(stage().dataset.height);
  stage().classList.remove('dk-marking');
  form()?.dispatchEvent(new CustomEvent('dk-note', {bubbles: true, detail: {time: media() ? position() : null,
    region: [left * wide, top * high, right * wide, bottom * high].map(n => Math.round(n * 10) / 10)}}));
});
element.addEventListener('pointercancel', () => { drag = null; hideRegion(); });

// Buttons
const acts = {
  play: toggle, back: () => step(-1), forth: () => step(1), slower: () => speed(-1), faster: () => speed(1),
  before: () => jump(-1), after: () => jump(1), loop: () => repeat(),
  region: () => { stage().classList.toggle('dk-marking'); say('Draw a rectangle on the picture.'); },
};
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-do]'), flag = event.target.closest('button[data-flag]');
  if (button) acts[button.dataset.do]?.();
  else if (flag) repeat(flag);
});
element.addEventListener('input', event => {
  if (event.target.matches('.dk-scrub') && media()?.duration) goTo(event.target.value * media().duration);
});
['timeupdate', 'seeked', 'play', 'pause', 'loadedmetadata'].forEach(name => element.addEventListener(name, read, true));
document.addEventListener('click', event => {
  const button = event.target.closest('button[data-region]');
  if (button && element.isConnected && stage()) setTimeout(() => showRegion(button.dataset.region.split(',').map(Number)), 0);
});

// Keys
const tell = (name, detail) => form()?.dispatchEvent(new CustomEvent(name, {bubbles: true, detail}));
const turn = way => {
  const all = [...document.querySelectorAll('#dk-review-queue button[data-case]')];
  const now = all.findIndex(one => one.getAttribute('aria-current') === 'true');
  const next = now < 0 ? all[0] : all[now + way];
  if (!next) { say(way > 0 ? 'This is the last case of the list.' : 'This is the first case of the list.'); return; }
  const draft = form();
  if (draft?.hasAttribute('data-draft') && !draft.hasAttribute('data-warned')) {
    draft.setAttribute('data-warned', '');
    tell('dk-say', {text: 'What you wrote is not saved. Enter saves it; the same key once more leaves it.'});
    return;
  }
  next.click(); next.scrollIntoView({block: 'nearest'});
};
const KEYS = {
  ' ': toggle, k: toggle, j: () => goTo(position() - STEP_S), l: () => goTo(position() + STEP_S),
  ',': acts.back, '.': acts.forth, '[': acts.before, ']': acts.after, '-': acts.slower, '+': acts.faster, '=': acts.faster,
  r: acts.loop, n: () => turn(1), p: () => turn(-1),
  g: () => tell('dk-set', {name: 'verdict', value: 'genuine'}), m: () => tell('dk-set', {name: 'verdict', value: 'manipulated'}),
  u: () => tell('dk-set', {name: 'verdict', value: 'unclear'}),
  1: () => tell('dk-set', {name: 'confidence', value: 'low'}), 2: () => tell('dk-set', {name: 'confidence', value: 'medium'}),
  3: () => tell('dk-set', {name: 'confidence', value: 'high'}),
  t: () => tell('dk-note', {time: media() ? position() : null}), enter: () => tell('dk-save'),
};
const far = event => event.shiftKey ? FAR_S : STEP_S;
const ARROWS = {arrowleft: event => goTo(position() - far(event)), arrowright: event => goTo(position() + far(event))};
const TYPING = 'textarea, select, [contenteditable="true"], input:not([type=radio], [type=checkbox], [type=range], [type=button])';
document.addEventListener('keydown', event => {
  if (!element.isConnected || !document.querySelector('#dk-review-queue')?.checkVisibility()) return;
  const typing = event.target.closest?.(TYPING), key = event.key.toLowerCase();
  if (typing) {
    if (!typing.closest('#dk-review-form')) return;
    if (key === 'escape') { stage()?.focus({preventScroll: true}); event.preventDefault(); }
    if (key === 'enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); tell('dk-save'); }
    return;
  }
  // On many keyboards [ and ] need AltGr, which counts as Ctrl and Alt.
  if ((event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState('AltGraph')) return;
  const active = event.target.closest?.('button, a, summary, label, [role=button]');
  if (active && (key === ' ' || key === 'enter')) return;
  if (key.startsWith('arrow') && event.target.closest?.('input, [role=slider], [role=tab], [role=radio]')) return;
  const act = ARROWS[key] || KEYS[key];
  if (!act || (event.repeat && !['j', 'l', ',', '.', 'arrowleft', 'arrowright'].includes(key))) return;
  event.preventDefault(); event.stopPropagation();
  act(event);
}, true);
watch('value', () => setTimeout(() => {
  const here = stage(); if (!here) return;
  drag = null; hideRegion(); choose(null); here.classList.remove('dk-marking');
  const player = media(), rate = element.querySelector('.dk-rate');
  if (player) player.playbackRate = 1;
  if (rate) rate.textContent = '1×';
  read();
  if (!document.activeElement?.closest('input, textarea, select')) here.focus({preventScroll: true});
  const seen = here.getBoundingClientRect();  // on a phone the case lies below the queue
  if (seen.top > window.innerHeight - 120 || seen.bottom < 60) document.querySelector('#dk-review-player').scrollIntoView({block: 'start'});
}, 0));
