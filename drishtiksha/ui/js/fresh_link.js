// Follows a new link at once.
watch('value', () => setTimeout(() => element.querySelector('a[data-fresh]')?.click(), 0));
