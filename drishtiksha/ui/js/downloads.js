// Tells which format is asked for.
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-format]');
  if (!button || button.getAttribute('aria-disabled') === 'true') return;
  element.querySelectorAll('button[data-format]').forEach(one => one.setAttribute('aria-disabled', 'true'));
  element.querySelector('[role=status]').textContent = 'Making it ...';
  trigger('click', {format: button.dataset.format});
});
