// The value is the name of the chosen model.
const sync = () => element.querySelectorAll('input[name="dk-model"]').forEach(
  radio => { radio.checked = radio.value === props.value; });
element.addEventListener('change', event => {
  if (event.target.name === 'dk-model') { props.value = event.target.value; trigger('input'); }
});
watch(['markup', 'value'], sync);
