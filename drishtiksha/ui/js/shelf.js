// Tells which button was pressed, and keeps cards open when the list is drawn anew.
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-action]');
  if (button) trigger('click', {model: button.dataset.model, action: button.dataset.action});
});
const open = new Set();
element.addEventListener('toggle', event => {
  const card = event.target;
  if (card.matches('details[data-card]')) open[card.open ? 'add' : 'delete'](card.dataset.card);
}, true);
new MutationObserver(() => element.querySelectorAll('details[data-card]').forEach(
  card => { if (open.has(card.dataset.card)) card.open = true; })).observe(element, {childList: true, subtree: true});
