// Copies a text that a button names, and says so.
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-copy]');
  if (!button) return;
  const say = told => { element.querySelector('.dk-copied').textContent = told; };
  const written = navigator.clipboard ? navigator.clipboard.writeText(button.dataset.copy) : Promise.reject();
  written.then(() => say('Copied.'), () => say('The browser did not allow it: mark the sentence and copy it.'));
});
