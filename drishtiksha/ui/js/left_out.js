// Starts the detectors of the button that was pressed.
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-models]');
  if (!button || button.disabled) return;
  element.querySelectorAll('button').forEach(one => { one.disabled = true; });
  trigger('click', {models: button.dataset.models});
});
