element.addEventListener('click', event => {
  const button = event.target.closest('button[data-case]'); if (!button) return;
  element.querySelectorAll('button[data-case]').forEach(
    one => one.setAttribute('aria-current', String(one === button)));
  trigger('select', {case_id: button.dataset.case});
});
