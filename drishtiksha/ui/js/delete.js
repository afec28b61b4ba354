// Asks once, in the place of the button, before a case is deleted.
const part = name => element.querySelector(name);
element.addEventListener('click', event => {
  const what = event.target.closest('button[data-do]')?.dataset.do;
  if (!what) return;
  if (what === 'yes') {
    element.querySelectorAll('button').forEach(one => { one.disabled = true; });
    trigger('click', {case_id: part('.dk-delete').dataset.case});
    return;
  }
  part('[data-do=ask]').hidden = what === 'ask'; part('.dk-ask').hidden = what !== 'ask';
  part(what === 'ask' ? '[data-do=no]' : '[data-do=ask]').focus();
});
