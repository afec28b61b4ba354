// A status ends the saving: the form may be sent again.
watch('value', () => document.querySelector('#dk-review-form form')?.removeAttribute('data-saving'));
