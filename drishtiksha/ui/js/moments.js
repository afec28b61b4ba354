// Tells which moment is to be looked at: that of a button, or that of the player.
element.addEventListener('click', event => {
  const chosen = event.target.closest('button[data-moment]');
  if (!chosen) return;
  let at = Number(chosen.dataset.moment);
  if (chosen.dataset.moment === 'now') {
    const player = document.querySelector('#' + CSS.escape(chosen.dataset.player) + ' :is(video, audio)');
    at = player ? player.currentTime : 0;
  }
  element.querySelectorAll('button[data-moment]').forEach(
    button => button.setAttribute('aria-pressed', String(button === chosen)));
  trigger('select', {time: at});
});
