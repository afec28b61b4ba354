/* Scrolls to the comparison unless it is in sight, and gives it the focus: the button that was pressed goes away while it works. */
() => {
  const place = document.querySelector('#dk-compare-top'), box = place.getBoundingClientRect();
  if (box.top < 0 || box.top > window.innerHeight * 0.7) place.scrollIntoView({block: 'start'});
  const title = place.querySelector('h2');
  title.tabIndex = -1;
  title.focus({preventScroll: true});
}
