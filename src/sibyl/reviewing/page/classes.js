// @ts-check
// The list of classes: how many of each were taught, confirmed and guessed.
import { changeClasses, properName, say } from './act.js';
import { breakable, byId, dialog, fill, h, key, onceAFrame } from './dom.js';
import { changed, classes, guessed, on, short, store } from './store.js';
import { number } from './words.js';

let wanted = '';
let at = 0;
const find = /** @type {HTMLInputElement} */ (h('input', { type: 'search', placeholder: 'find a class', 'aria-label': 'Find a class', oninput: () => { wanted = find.value.toLocaleLowerCase(); at = 0; draw(); } }));
const legend = h('div', { class: 'legend' });
const list = h('ul', { role: 'listbox', 'aria-label': 'Classes', tabIndex: 0, onkeydown: pressed });

export function start() {
  fill(byId('classes'),
    h('div', { class: 'head' }, h('h2', {}, 'Classes'), h('button', { type: 'button', class: 'plain', onclick: addSome, title: 'add classes' }, '+ class')),
    find, list, legend);
  const soon = onceAFrame(draw); // all items are counted, and the next item does not wait for that
  for (const name of ['session', 'columns', 'shown', 'view']) on(name, soon);
}

function shownClasses() {
  return classes().map((one, place) => ({ ...one, place })).filter((one) => one.name.toLocaleLowerCase().includes(wanted));
}

function draw() {
  if (!store.session?.ready) return;
  const counts = guessed();
  const some = shownClasses();
  find.hidden = classes().length < 12;
  at = Math.min(at, Math.max(0, some.length - 1));
  const few = classes().length <= 10;
  // Few examples for many guesses, compared with what is usual here.
  const shares = classes().map((one, place) => (one.taught ? counts[place] / one.taught : 0)).filter(Boolean).sort((a, b) => a - b);
  const usual = shares[shares.length >> 1] ?? 0;
  if (!classes().length) {
    list.hidden = true;
    fill(legend);
    return void (byId('classes').querySelector('.none') ?? list.before(h('p', { class: 'none soft' }, 'None yet. Name an item to make the first.')));
  }
  byId('classes').querySelector('.none')?.remove();
  list.hidden = false;
  fill(list, some.map((one, place) => {
    const mine = one.taught + one.confirmed;
    const weak = one.taught > 0 && one.taught < 5 && counts[one.place] > 20 && counts[one.place] / one.taught > 2 * usual;
    return h('li', { role: 'option', id: `class-${one.place}`, class: `${mine ? '' : 'empty'} ${place === at ? 'at' : ''}`, 'aria-selected': String(store.view === 'class' && store.viewClass === one.name),
      'aria-label': `${one.name}, ${one.taught} taught, ${one.confirmed} confirmed, ${counts[one.place]} guessed${weak ? ', few examples for so many guesses' : ''}`,
      onclick: () => { at = place; open(one.name); } },
    few ? h('kbd', {}, String((one.place + 1) % 10)) : null,
    h('span', { class: 'name', dir: 'auto', title: one.name }, breakable(short(one.name))),
    h('span', { class: 'mine' }, mine ? number(mine) : '–'),
    h('span', { class: 'count' }, number(counts[one.place] ?? 0), weak ? h('b', { title: 'few examples for so many guesses' }, ' !') : null));
  }));
  fill(legend, h('p', {}, 'name · labelled by you · guessed'), list.querySelector('b') ? h('p', {}, h('b', {}, '!'), ' few examples for so many guesses') : null, h('p', {}, key('F2'), ' rename'));
  if (some.length) list.setAttribute('aria-activedescendant', `class-${some[at].place}`);
}

function open(/** @type {string} */ name) {
  document.body.classList.remove('classes-open');
  changed('open-class', name);
}

function pressed(/** @type {KeyboardEvent} */ event) {
  const some = shownClasses();
  const step = { ArrowDown: 1, ArrowUp: -1, Home: -1e6, End: 1e6 }[event.key];
  if (step) {
    at = Math.max(0, Math.min(some.length - 1, at + step));
    draw();
    list.children[at]?.scrollIntoView({ block: 'nearest' });
  } else if (event.key === 'Enter' && some[at]) open(some[at].name);
  else if (event.key === 'F2' && some[at]) rename(some[at].name);
  else if (event.key === '+') addSome();
  else if (event.key === 'm' && event.ctrlKey && some[at]) rename(some[at].name, true);
  else if (event.key === 'Delete' && some[at]) remove(some[at].name);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Add one class or a list of them. */
export function addSome() {
  const names = /** @type {HTMLTextAreaElement} */ (h('textarea', { rows: 8, 'aria-label': 'Names of classes, one a line', placeholder: 'one class a line' }));
  const add = async () => {
    const some = names.value.split('\n').map((name) => name.trim()).filter(Boolean);
    if (some.length && await changeClasses({ kind: 'class', names: some })) say(`classes added: ${some.length}`);
    box.close();
  };
  const box = dialog('Add classes', [
    h('p', { class: 'soft' }, 'One a line. They wait for their first example and are offered while you type.'), names,
    h('p', { class: 'row' }, h('button', { type: 'button', class: 'strong', onclick: add }, 'Add'), h('button', { type: 'button', class: 'plain', onclick: () => box.close() }, 'Cancel'))]);
}

/** Rename a class, or make it part of another. */
export function rename(/** @type {string} */ name, merge = false) {
  const input = /** @type {HTMLInputElement} */ (h('input', { type: 'text', value: merge ? '' : name, maxLength: 200, 'aria-label': merge ? `The class that ${name} becomes part of` : `New name of ${name}`, list: 'all-classes' }));
  const all = h('datalist', { id: 'all-classes' }, classes().map((one) => h('option', { value: one.name })));
  const note = h('p', { class: 'soft' }, merge ? 'All its items become items of that class. It can be undone.' : 'All its items keep it. The name of another class joins the two.');
  const go = async () => {
    const to = input.value.trim();
    if (!to || to === name) return box.close();
    const into = classes().find((one) => one.name === properName(to) && one.name !== name);
    if (await changeClasses({ kind: into ? 'merge' : 'rename', class: name, to: into ? into.name : to })) {
      say(into ? `${name} is now part of ${into.name}` : `${name} is now ${to}`);
      if (store.viewClass === name) changed('open-class', into ? into.name : to);
    }
    box.close();
  };
  input.addEventListener('keydown', (event) => { if (event.key === 'Enter') { event.preventDefault(); go(); } });
  const box = dialog(merge ? `Make ${name} part of another class` : `Rename ${name}`, [note, input, all,
    h('p', { class: 'row' }, h('button', { type: 'button', class: 'strong', onclick: go }, merge ? 'Join' : 'Rename'), h('button', { type: 'button', class: 'plain', onclick: () => box.close() }, 'Cancel'))]);
  input.select();
}

export function remove(/** @type {string} */ name) {
  const one = classes().find((other) => other.name === name);
  const mine = one ? one.taught + one.confirmed : 0;
  const go = async () => {
    box.close();
    if (await changeClasses({ kind: 'remove', class: name })) { say(`class removed: ${name}`); changed('open-view', 'next'); }
  };
  const box = dialog(`Remove the class ${name}?`, [
    h('p', {}, mine ? `The labels of ${number(mine)} items are taken off, and its guesses go to other classes. Undo brings them back.` : 'It has no items yet.'),
    h('p', { class: 'row' }, h('button', { type: 'button', class: 'strong', onclick: go }, 'Remove'), h('button', { type: 'button', class: 'plain', onclick: () => box.close() }, 'Cancel'))]);
}
