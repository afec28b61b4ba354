// Tells the time of a click on the plot.
element.addEventListener('click', event => {
  const plot = event.target.closest('.dk-plot');
  if (!plot) return;
  const box = plot.querySelector('.dk-svg').getBoundingClientRect(), from = Number(plot.dataset.start);
  const along = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  trigger('click', {time: from + along * (Number(plot.dataset.end) - from)});
});
