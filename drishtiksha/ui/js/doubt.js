// Goes behind seek.js. Starts the stress test that stands below, and opens its part of the page.
element.addEventListener('click', event => {
  if (!event.target.closest('button[data-test]')) return;
  document.querySelector('#dk-stress-box button.label-wrap:not(.open)')?.click();
  setTimeout(() => {
    const run = document.querySelector('#dk-stress-run');
    run?.click();
    document.querySelector('#dk-stress-box')?.scrollIntoView({block: 'nearest'});
  }, 150);
});
