// In the head of the page, before gradio has built anything: the shade that was chosen here before, and word that a result is on its way.
(() => {
  const kept = () => { try { return localStorage.getItem('dk-shade'); } catch { return null; } };
  const shade = () => {
    const dark = kept() === 'dark';
    if (kept() && document.body.classList.contains('dark') !== dark) document.body.classList.toggle('dark', dark);
  };
  const asked = new URLSearchParams(location.search);
  const told = '#dk-answer section, #dk-notice section, #dk-compare-board section';
  const fetching = () => {
    if (!asked.get('job') && !asked.get('compare')) return;
    const line = Object.assign(document.createElement('div'), {className: 'dk-fetching', textContent: 'Fetching this result …'});
    line.setAttribute('role', 'status');
    line.style.cssText = 'position:fixed;left:50%;top:18vh;transform:translateX(-50%);z-index:90;padding:14px 22px;border-radius:12px;'
      + 'border:1px solid #8f9aaa;background:Canvas;color:CanvasText;font:16px/1.4 system-ui,sans-serif';
    document.documentElement.dataset.fetching = ''; document.body.append(line);
    const watching = new MutationObserver(() => {
      if (!document.querySelector(told)) return;
      watching.disconnect(); line.remove(); delete document.documentElement.dataset.fetching;
    });
    watching.observe(document.body, {childList: true, subtree: true});
  };
  document.addEventListener('DOMContentLoaded', () => {
    shade(); fetching();
    new MutationObserver(shade).observe(document.body, {attributes: true, attributeFilter: ['class']});
  });
})();
