// Keeps the page's address in line with what a tab shows, and copies the link to it. An element that was never written to
// leaves the address alone: a page may just be opening the one that it was given.
const mark = () => element.querySelector('[data-param]');
const put = () => {
  if (!mark()) return;
  const {param, value} = mark().dataset, page = new URL(location.href);
  if ((page.searchParams.get(param) || '') === value) return;
  if (value) page.searchParams.set(param, value); else page.searchParams.delete(param);
  history.replaceState(history.state, '', page.href);
};
watch('value', () => setTimeout(put, 0));
if (mark()?.dataset.value) setTimeout(put, 0);  // it is built with its value where a hidden part of the page is shown
element.addEventListener('click', event => {
  if (!event.target.closest('button.dk-copy')) return;
  const {param, value} = mark().dataset, link = new URL(location.pathname, location.href);
  link.searchParams.set(param, value);
  const say = told => { element.querySelector('[role=status]').textContent = told; };
  const written = navigator.clipboard ? navigator.clipboard.writeText(link.href) : Promise.reject();
  written.then(() => say('Copied.'), () => say('The browser did not allow it: copy it from the address line.'));
});
