// The value is that of the chosen radio button.
element.addEventListener('change', event => { props.value = event.target.value; trigger('input'); });
const show = () => element.querySelectorAll('input').forEach(one => { one.checked = one.value === props.value; });
watch('value', show);
show();
