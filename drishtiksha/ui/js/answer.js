// Goes behind copy.js. Gives the focus to the answer of a case that has just been opened: what was pressed is gone from the page.
let arrived = '';
const arrive = () => setTimeout(() => {
  const section = element.querySelector('section'), now = section ? section.dataset.sha + section.dataset.example : '';
  if (now && (now !== arrived || document.activeElement === document.body)) {
    element.querySelector('h2').focus({preventScroll: true});
    const top = element.getBoundingClientRect().top;
    if (now !== arrived && (top < 0 || top > window.innerHeight * 0.6)) element.scrollIntoView({block: 'start'});
  }
  arrived = now;
}, 0);
watch('value', arrive);
arrive();  // it is built with its value where the page shows it for the first time
