// The value is the chosen names, one a line: no name holds a line break.
const boxes = () => [...element.querySelectorAll('input[name="dk-pick"]')];
element.addEventListener('change', event => {
  if (event.target.name !== 'dk-pick') return;
  props.value = boxes().filter(box => box.checked).map(box => box.value).join('\n');
  trigger('input');
});
watch(['markup', 'value'], () => {
  const chosen = (props.value || '').split('\n');
  boxes().forEach(box => { box.checked = chosen.includes(box.value); });
});
