/* Scrolls to the result of the open tab unless it is in sight. */
() => {
  const place = [...document.querySelectorAll('#dk-result-top, #dk-compare-top')].find(one => one.offsetParent);
  const box = place.getBoundingClientRect();
  if (box.top < 0 || box.top > window.innerHeight * 0.7) place.scrollIntoView({block: 'start'});
}
