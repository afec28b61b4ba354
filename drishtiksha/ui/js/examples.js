// Tells which example was chosen.
element.addEventListener('click', event => {
  const chosen = event.target.closest('button[data-name]');
  if (chosen) trigger('click', {name: chosen.dataset.name});
});
