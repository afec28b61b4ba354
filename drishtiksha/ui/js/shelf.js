// Tells which button was pressed, and keeps cards open when the list is drawn anew.
// A press counts for what the button said when the pointer went down: the list may be drawn anew before it comes up again,
// which takes the click away or gives it to another button. A second press within a moment, as of a double click, is none.
const AGAIN_MS = 600, STILL_PX = 10;
let pressed = null, sent = -AGAIN_MS;
const asked = target => {
  const button = target.closest('button[data-action]:not([aria-disabled])');
  return button && {model: button.dataset.model, action: button.dataset.action};
};
const send = what => {
  if (!what || performance.now() - sent < AGAIN_MS) return;
  sent = performance.now();
  trigger('click', what);
};
element.addEventListener('pointerdown', event => {
  pressed = event.button ? null : {what: asked(event.target), x: event.clientX, y: event.clientY};
});
document.addEventListener('pointerup', event => {
  if (pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < STILL_PX) send(pressed.what);
  pressed = null;
});
document.addEventListener('pointercancel', () => { pressed = null; });
element.addEventListener('click', event => send(asked(event.target)));  // by the keyboard; after a pointer it is the second
const open = new Set();
// At the click, which keys make too: `toggle` comes later, and the list may be drawn anew before it.
element.addEventListener('click', event => {
  const card = event.target.closest('summary')?.parentElement;
  if (card?.matches('details[data-card]')) open[card.open ? 'delete' : 'add'](card.dataset.card);
});
new MutationObserver(() => element.querySelectorAll('details[data-card]').forEach(
  card => { if (open.has(card.dataset.card) && !card.open) card.open = true; }))
  .observe(element, {childList: true, subtree: true, attributes: true, attributeFilter: ['open', 'data-card']});
