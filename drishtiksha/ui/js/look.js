// A magnifier over one frame: its real pixels, which nothing smooths once they are enlarged. Asks for frames and filters.
const STEPS = [1, 2, 4, 8, 16, 32];
const at = {x: 0, y: 0, scale: 0};  // the marked pixel, and screen pixels a pixel of the frame; 0: all of it is seen
let picture = null, drag = null;
const one = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const canvas = () => element.querySelector('canvas');
const section = () => element.querySelector('.dk-look');
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const fit = pane => Math.min(pane.width / picture.naturalWidth, pane.height / picture.naturalHeight);
const scaleOf = pane => at.scale || fit(pane);
// Where the corner of the frame lies in the pane: the marked pixel in the middle, as far as no edge comes in needlessly.
const corner = (size, length, place, scale) => length * scale <= size ? (size - length * scale) / 2
  : clamp(size / 2 - (place + 0.5) * scale, size - length * scale, 0);
const corners = (pane, scale) => [corner(pane.width, picture.naturalWidth, at.x, scale),
  corner(pane.height, picture.naturalHeight, at.y, scale)].map(Math.round);
const tell = scale => {
  one.canvas.width = one.canvas.height = 1;
  one.drawImage(picture, at.x, at.y, 1, 1, 0, 0, 1, 1);
  const [red, green, blue] = one.getImageData(0, 0, 1, 1).data;
  const larger = at.scale ? `, enlarged ${scale} times` : '';
  element.querySelector('.dk-loupe-at').textContent = `Pixel ${at.x}, ${at.y}: red ${red}, green ${green}, blue ${blue}${larger}`;
};
const draw = () => {
  const pane = canvas(); if (!pane || !picture) return;
  const ratio = window.devicePixelRatio || 1, width = pane.clientWidth;
  if (!width) return;
  const high = Math.min(width * picture.naturalHeight / picture.naturalWidth, window.innerHeight * 0.6);
  pane.style.height = `${Math.round(high)}px`;
  pane.width = Math.round(width * ratio); pane.height = Math.round(high * ratio);
  const scale = scaleOf(pane), [left, top] = corners(pane, scale), ink = pane.getContext('2d');
  ink.imageSmoothingEnabled = scale < 1;
  ink.imageSmoothingQuality = 'high';
  ink.drawImage(picture, left, top, picture.naturalWidth * scale, picture.naturalHeight * scale);
  const side = Math.max(scale, 9 * ratio), x = left + (at.x + 0.5) * scale, y = top + (at.y + 0.5) * scale;
  for (const [colour, wide] of [['#000', 3], ['#fff', 1]]) {
    ink.strokeStyle = colour; ink.lineWidth = wide * ratio;
    ink.strokeRect(x - side / 2, y - side / 2, side, side);
  }
  pane.style.touchAction = at.scale ? 'none' : 'pan-y';
  tell(scale);
};
const mark = (x, y) => {
  at.x = clamp(Math.floor(x), 0, picture.naturalWidth - 1);
  at.y = clamp(Math.floor(y), 0, picture.naturalHeight - 1);
  draw();
};
const zoom = way => {
  const whole = fit(canvas()), now = scaleOf(canvas());
  if (way === 'in') at.scale = STEPS.find(step => step > now * 1.001) ?? STEPS.at(-1);
  else if (way === 'out') at.scale = STEPS.findLast(step => step < now * 0.999 && step > whole) ?? 0;
  else at.scale = 0;
  draw();
};
const ask = (filter, time) => {
  element.querySelector('.dk-look-told').textContent = 'The picture is being made ...';
  trigger('select', {filter, time});
};
const playing = () => {
  const name = section().dataset.player;
  return (name && document.querySelector(`#${CSS.escape(name)} video`)?.currentTime) || 0;
};
const shown = () => setTimeout(() => {
  const pane = canvas(); if (!pane) { picture = null; return; }
  element.querySelector('.dk-loupe-at').textContent = ''; // of the picture before, until the new one is here
  const next = new Image();
  next.onload = () => {
    const same = picture && picture.naturalWidth === next.naturalWidth && picture.naturalHeight === next.naturalHeight;
    picture = next;
    if (!same) { at.scale = 0; at.x = Math.floor(next.naturalWidth / 2); at.y = Math.floor(next.naturalHeight / 2); }
    draw();
  };
  next.onerror = () => { element.querySelector('.dk-look-told').textContent = 'The picture is no longer here: choose it again.'; };
  next.src = pane.dataset.src;
}, 0);
element.addEventListener('click', event => {
  const button = event.target.closest('button'); if (!button) return;
  if (button.dataset.zoom) { if (picture) zoom(button.dataset.zoom); return; }
  const kept = section().dataset.time;
  if (button.dataset.filter) ask(button.dataset.filter, kept === '' ? playing() : Number(kept));
  else if (button.hasAttribute('data-now')) ask(section().dataset.filter, playing());
});
element.addEventListener('keydown', event => {
  if (event.target !== canvas() || !picture || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = Math.max(1, Math.round(16 / scaleOf(canvas()))) * (event.shiftKey ? 8 : 1);
  const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  const size = {'+': 'in', '=': 'in', '-': 'out', '_': 'out', '0': 'all'}[event.key];
  if (!way && !size) return;
  event.preventDefault();
  if (way) mark(at.x + way[0] * step, at.y + way[1] * step); else zoom(size);
});
element.addEventListener('pointerdown', event => {
  if (event.target !== canvas() || !picture) return;
  drag = {x: event.clientX, y: event.clientY, from: {...at}, moved: false};
  if (at.scale) canvas().setPointerCapture(event.pointerId);
});
element.addEventListener('pointermove', event => {
  if (!drag || event.target !== canvas() || !at.scale) return;
  const ratio = window.devicePixelRatio || 1, along = event.clientX - drag.x, down = event.clientY - drag.y;
  drag.moved ||= Math.hypot(along, down) > 4;
  if (drag.moved) mark(drag.from.x - along * ratio / at.scale, drag.from.y - down * ratio / at.scale);
});
element.addEventListener('pointerup', event => {
  const pane = canvas(), clicked = drag && !drag.moved && event.target === pane;
  drag = null;
  if (!clicked || !picture) return;
  const ratio = window.devicePixelRatio || 1, box = pane.getBoundingClientRect(), scale = scaleOf(pane);
  const [left, top] = corners(pane, scale);
  mark(((event.clientX - box.left) * ratio - left) / scale, ((event.clientY - box.top) * ratio - top) / scale);
});
element.addEventListener('pointercancel', () => { drag = null; });
new ResizeObserver(draw).observe(element);
// The frame is asked for when the panel is opened for the first time.
new IntersectionObserver(seen => {
  const empty = section();
  if (!seen.some(entry => entry.isIntersecting) || !empty?.hasAttribute('data-empty')) return;
  empty.removeAttribute('data-empty');
  ask('frame', playing());
}).observe(element);
watch('value', shown);
shown();
