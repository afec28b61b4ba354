// Examines one track alone, or all of them.
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-track]');
  if (!button || button.disabled) return;
  element.querySelectorAll('button').forEach(one => { one.disabled = true; });
  trigger('click', {track: button.dataset.track});
});
