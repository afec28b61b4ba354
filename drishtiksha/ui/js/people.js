// Tells which person was chosen.
element.addEventListener('click', event => {
  const chosen = event.target.closest('button[data-person]');
  if (!chosen) return;
  element.querySelectorAll('button[data-person]').forEach(
    button => button.setAttribute('aria-pressed', String(button === chosen)));
  trigger('select', {person: Number(chosen.dataset.person)});
});
