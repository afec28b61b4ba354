// What is written is kept when the field is left, or at Enter; with Shift that begins a new line.
const field = () => element.querySelector('textarea');
const keep = () => { props.value = field().value; trigger('submit'); };
element.addEventListener('change', keep);
element.addEventListener('keydown', event => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  keep();
});
const show = () => { if (field().value !== (props.value || '')) field().value = props.value || ''; };
watch('value', show);
show();
