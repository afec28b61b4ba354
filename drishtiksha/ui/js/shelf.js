// Tells which button was pressed, and keeps cards open when the list is drawn anew.
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-action]');
  if (button) trigger('click', {model: button.dataset.model, action: button.dataset.action});
});
const open = new Set();
// At the click, which keys make too: `toggle` comes later, and the list may be drawn anew before it.
element.addEventListener('click', event => {
  const card = event.target.closest('summary')?.parentElement;
  if (card?.matches('details[data-card]')) open[card.open ? 'delete' : 'add'](card.dataset.card);
});
new MutationObserver(() => element.querySelectorAll('details[data-card]').forEach(
  card => { if (open.has(card.dataset.card)) card.open = true; })).observe(element, {childList: true, subtree: true});
