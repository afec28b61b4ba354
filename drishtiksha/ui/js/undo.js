// Brings a notice before the eyes; a deletion can be taken back from it for some seconds.
let counting = null;
const notice = () => element.querySelector('[data-deleted]');
element.addEventListener('click', event => {
  if (!event.target.closest('[data-do=undo]')) return;
  clearInterval(counting);
  element.querySelector('[data-do=undo]').disabled = true;
  trigger('click', {case_id: notice().dataset.deleted});
});
watch('value', () => setTimeout(() => {
  clearInterval(counting);
  const first = element.querySelector('section'); if (!first) return;
  if (!first.hasAttribute('tabindex')) first.setAttribute('tabindex', '-1');
  first.scrollIntoView({block: 'center'}); first.focus({preventScroll: true});
  if (!notice()) return;
  let left = Number(notice().dataset.seconds);
  counting = setInterval(() => {
    left -= 1;
    const count = element.querySelector('.dk-countdown'), button = element.querySelector('[data-do=undo]');
    if (left > 0 && count) count.textContent = left + ' s';
    else { clearInterval(counting); button?.remove(); }
  }, 1000);
}, 0));
