() => {
  const dark = !document.body.classList.contains('dark');
  try { localStorage.setItem('dk-shade', dark ? 'dark' : 'light'); } catch { /* kept for this page alone */ }
  document.body.classList.toggle('dark', dark);
}
