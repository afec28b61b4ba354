/* Scrolls to the comparison unless it is in sight. */
() => {
  const place = document.querySelector('#dk-compare-top'), box = place.getBoundingClientRect();
  if (box.top < 0 || box.top > window.innerHeight * 0.7) place.scrollIntoView({block: 'start'});
}
