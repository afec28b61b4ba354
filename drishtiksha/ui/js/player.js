// Seeks the player on `dk-goto`, loops a stretch, marks the moment on the charts of the player, docks it when it is scrolled away.
const media = () => element.querySelector('video, audio');
const say = text => { const line = element.querySelector('.dk-loop-line'); if (line) line.textContent = text; };
const clock = s => { const t = Math.max(0, Math.round(s * 10)); const whole = Math.floor(t / 10);
  return String(Math.floor(whole / 60)).padStart(2, '0') + ':' + String(whole % 60).padStart(2, '0') + '.' + t % 10; };
// A browser may never end a seek that another one interrupts: the next waits in `data-wanted` (s) until the one before has ended.
const position = () => Number(media()?.dataset.wanted ?? media()?.currentTime ?? 0);
const seek = time => {
  const player = media(); if (!player) return;
  if (player.seeking || player.dataset.wanted) player.dataset.wanted = time;
  else player.currentTime = time;
};
const own = () => element.querySelector('.dk-player')?.id;
let loop = null, pressed = null, armed = false;
// A start that a pause or another file interrupts is no failure: only a browser that refuses to start is told.
const begin = () => media()?.play().catch(error => {
  if (error.name === 'NotAllowedError') say('Press play: the browser did not start the player by itself.');
});
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
  if (!media()) return;
  document.querySelectorAll(`.dk-seek[data-player~="${own()}"]`).forEach(chart => {
    const from = Number(chart.dataset.start), to = Number(chart.dataset.end);
    const along = Math.min(1, Math.max(0, (position() - from) / (to - from)));
    chart.style.setProperty('--at', along);
    chart.setAttribute('aria-valuenow', position().toFixed(1));
    chart.setAttribute('aria-valuetext', clock(position()));
  });
};
element.addEventListener('dk-goto', event => {
  const player = media(); if (!player) return;
  const {start, end, button} = event.detail;
  if (button && button === pressed) { stop(); player.pause(); return; }
  stop(); armed = true;
  seek(start);
  if (button) {
    loop = {start, end: Math.max(end, start + 0.4)}; pressed = button; button.setAttribute('aria-pressed', 'true');
    const bar = element.querySelector('.dk-loop'); bar.hidden = false;
    say(`Looping ${clock(loop.start)} to ${clock(loop.end)}.`);
    begin();
  } else say(`At ${clock(start)}.`);
  dock(); mark();
});
element.addEventListener('timeupdate', () => {
  const player = media();
  if (loop && player && !player.seeking && (player.currentTime >= loop.end || player.currentTime < loop.start - 0.3))
    seek(loop.start);
  mark();
}, true);
element.addEventListener('seeked', event => {
  const {wanted} = event.target.dataset;
  delete event.target.dataset.wanted;
  if (wanted !== undefined) event.target.currentTime = Number(wanted);
  mark();
}, true);
['emptied', 'error'].forEach(name => element.addEventListener(name, event => delete event.target.dataset?.wanted, true));
// What the browser cannot play, or plays without its picture, is told; of a video the key frames are found.
const unplayed = event => {
  const player = media(), told = element.querySelector('.dk-unplayed');
  if (!told || event.target !== player) return;
  const lost = Boolean(player.error);
  if (!lost && (player.tagName !== 'VIDEO' || player.videoWidth)) return;
  player.hidden = lost; told.hidden = false;
  if (player.tagName !== 'VIDEO' || !told.dataset.frames) return;
  document.querySelector('#dk-look-box button.label-wrap:not(.open)')?.click();
  document.querySelector(told.dataset.frames)?.click();
};
['error', 'loadedmetadata'].forEach(name => element.addEventListener(name, unplayed, true));
element.addEventListener('ended', () => {
  if (!loop) return;
  seek(loop.start); begin();
}, true);
element.addEventListener('click', event => {
  if (event.target.closest('.dk-loop-stop')) { stop(); media()?.focus(); }
  if (event.target.closest('.dk-undock')) { armed = false; dock(); }
});
document.addEventListener('keydown', event => { if (event.key === 'Escape' && loop) stop(); });
window.addEventListener('scroll', dock, {passive: true});
window.addEventListener('resize', dock);
watch('value', () => { loop = null; pressed = null; armed = false; });
