// Goes behind seek.js. Asks for the key frames.
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-find]');
  if (!button || button.getAttribute('aria-disabled') === 'true') return;
  button.setAttribute('aria-disabled', 'true');
  element.querySelector('[role=status]').textContent = 'Looking through the video ...';
  trigger('select', {});
});
// The panel was opened since the browser cannot show the video.
if (document.querySelector('#dk-player .dk-unplayed:not([hidden])')) element.querySelector('[data-find]')?.click();
