// Goes behind seek.js. Opens the case in the Review tab, where there is one, and the Models tab.
const reviewTab = () => [...document.querySelectorAll('[role=tab]')].find(one => one.textContent.trim() === 'Review');
const offer = () => setTimeout(() => {
  element.querySelectorAll('.dk-to-review').forEach(one => { one.hidden = !reviewTab(); });
}, 0);
watch('value', offer);
offer();
element.addEventListener('click', async event => {
  if (event.target.closest('.dk-to-models')) { document.querySelector('#dk-add').click(); return; }
  const button = event.target.closest('.dk-to-review');
  if (!button) return;
  reviewTab().click();
  for (let tries = 0; tries < 100; tries++) {
    const row = document.querySelector(`#dk-review-queue button[data-case="${button.dataset.case}"]`);
    if (row) { row.click(); return; }
    await new Promise(done => setTimeout(done, 100));
  }
});
