const send = () => {
  const data = Object.fromEntries(new FormData(element.querySelector('form')));
  props.value = JSON.stringify(data);
  trigger('input');
};
element.addEventListener('change', send);
element.addEventListener('submit', event => event.preventDefault());
element.addEventListener('reset', () => setTimeout(send, 0));
