/* Opens the Models tab, where detectors are added. */
() => {
  [...document.querySelectorAll('[role=tab]')].find(one => one.textContent.trim() === 'Models')?.click();
  window.scrollTo({top: 0});
}
