const NAME = 'dk-reviewer';
const form = () => element.querySelector('form');
const notes = () => element.querySelector('.dk-notes');
const line = () => element.querySelector('.dk-form-line');
const say = text => { if (line()) line().textContent = text; weigh(); };
const clock = s => { const t = Math.max(0, Math.round(s * 10));
  return String(Math.floor(t / 600)).padStart(2, '0') + ':' + String(Math.floor(t / 10) % 60).padStart(2, '0') + '.' + t % 10; };
const made = (tag, attributes, ...children) => {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children); return node;
};
const draft = () => { form()?.setAttribute('data-draft', ''); form()?.removeAttribute('data-warned'); weigh(); };
const pin = item => {
  const {time, region} = item.dataset, place = item.querySelector('.dk-pin-place');
  const parts = [time === undefined ? 'whole file' : clock(Number(time))];
  if (region) parts.push('region');
  place.textContent = parts.join(', ');
  if (time !== undefined) place.dataset.start = time;
  if (region) place.dataset.region = region;
};
const add = ({time, region}) => {
  if (!notes()) return;
  const last = document.activeElement?.closest?.('.dk-note') || notes().lastElementChild;
  let item = region && last && !last.dataset.region && !last.querySelector('textarea').value ? last : null;
  if (!item) {
    const place = made('button', {type: 'button', className: 'dk-go dk-pin-place', title: 'Go there'});
    place.dataset.player = 'dk-player-review'; place.dataset.end = '0';
    const text = made('textarea', {rows: 2, maxLength: 4000});
    const drop = made('button', {type: 'button', className: 'dk-go dk-drop', textContent: 'Remove'});
    item = made('li', {className: 'dk-note'}, made('div', {}, place, drop), text);
    notes().append(item);
  }
  if (time !== null && time !== undefined) item.dataset.time = Number(time).toFixed(3);
  if (region) item.dataset.region = region.join(',');
  pin(item); draft();
  const text = item.querySelector('textarea');
  text.setAttribute('aria-label', 'Note at ' + item.querySelector('.dk-pin-place').textContent);
  text.focus();
  say('Write the note; Esc goes back to the keys.');
};
const gathered = () => {
  const data = new FormData(form());
  return {
    verdict: data.get('verdict'), confidence: data.get('confidence'), reviewer: (data.get('reviewer') || '').trim(),
    tags: (data.get('tags') || '').split(',').map(tag => tag.trim()).filter(Boolean),
    notes: [...notes().children].map(item => ({text: item.querySelector('textarea').value.trim(),
      time_s: item.dataset.time === undefined ? null : Number(item.dataset.time),
      region: item.dataset.region ? item.dataset.region.split(',').map(Number) : null})),
  };
};
// What must be done before it can be saved, and where; nothing where it can.
const lacking = () => {
  const said = gathered(), empty = said.notes.findIndex(note => !note.text), name = form().elements.reviewer;
  if (!said.verdict) return {text: 'Choose a verdict first: G, M or U.'};
  if (!said.confidence) return {text: 'How sure are you? Press 1, 2 or 3.'};
  if (empty >= 0) return {text: 'This note is empty: write it or remove it.', field: notes().children[empty].querySelector('textarea')};
  if (name && !said.reviewer) return {text: 'Who are you? The name stands beside your verdict.', field: name};
  return null;
};
const weigh = () => {
  const button = element.querySelector('button[type=submit]'), hint = element.querySelector('.dk-lacking');
  if (!button) return;
  const lacks = lacking();
  button.setAttribute('aria-disabled', lacks ? 'true' : 'false');
  hint.textContent = lacks && lacks.text !== line().textContent ? lacks.text : '';
};
const save = () => {
  if (!form() || form().hasAttribute('data-saving')) return;
  const said = gathered(), lacks = lacking();
  if (lacks) { lacks.field?.focus(); return say(lacks.text); }
  if (form().elements.reviewer) localStorage.setItem(NAME, said.reviewer);
  form().setAttribute('data-saving', ''); say('Saving ...');
  trigger('submit', {case_id: form().dataset.case, said: JSON.stringify(said)});
};
element.addEventListener('dk-set', event => {
  const field = [...(form()?.elements[event.detail.name] || [])].find(one => one.value === event.detail.value);
  if (!field) return;
  field.checked = true; draft();
  say(`${field.dataset.says}.`);
});
element.addEventListener('dk-note', event => add(event.detail));
element.addEventListener('dk-save', save);
element.addEventListener('dk-say', event => say(event.detail.text));
element.addEventListener('submit', event => { event.preventDefault(); save(); });
element.addEventListener('input', event => { if (event.target.name !== 'reviewer') draft(); else weigh(); });
element.addEventListener('click', event => {
  const act = event.target.closest('button');
  if (act?.matches('.dk-drop')) { act.closest('.dk-note').remove(); weigh(); return; }
  if (act?.dataset.do === 'note') {
    const player = document.querySelector('#dk-player-review :is(video, audio)');
    add({time: player ? player.currentTime : null});
  }
  if (act?.matches('.dk-pin-place') && act.dataset.start) document.querySelector('#dk-player-review')?.dispatchEvent(
    new CustomEvent('dk-goto', {bubbles: true, detail: {start: Number(act.dataset.start), end: 0, button: null}}));
});
watch('value', () => setTimeout(() => {
  // The page keeps nodes that are the same in the next form, with what was entered in them.
  form()?.reset(); notes()?.replaceChildren();
  ['data-draft', 'data-warned', 'data-saving'].forEach(mark => form()?.removeAttribute(mark));
  const name = form()?.elements.reviewer;
  if (name && !name.value) name.value = localStorage.getItem(NAME) || '';
  weigh();
  if (element.contains(document.activeElement)) document.querySelector('#dk-review-player .dk-stage')?.focus({preventScroll: true});
}, 0));
