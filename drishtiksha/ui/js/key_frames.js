// Goes behind seek.js. Asks for the key frames.
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-find]');
  if (!button || button.getAttribute('aria-disabled') === 'true') return;
  button.setAttribute('aria-disabled', 'true');
  element.querySelector('[role=status]').textContent = 'Looking through the video ...';
  trigger('select', {});
});
