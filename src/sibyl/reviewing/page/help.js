// @ts-check
// Which key does what.
import { dialog, h } from './dom.js';
import { store } from './store.js';

const KEYS = [
  ['Enter', 'the shown guess is right; with several chosen: confirm them'],
  ['1 … 9, 0', 'the class with that digit: up to ten classes keep theirs, printed in the list; of more, the item’s likeliest'],
  ['letters', 'name the class: its beginning is enough; ↑ ↓ choose; a new name makes a class'],
  ['Backspace', 'undo the last action, and the one before'],
  ['Ctrl+Z, Ctrl+Shift+Z', 'undo, redo'],
  ['Delete', 'set aside: none of these, or unusable'],
  ['→ ←', 'queue: skip, go back; grid: move'],
  ['Space', 'queue: skip; grid: choose or unchoose'],
  ['Shift+arrows, Shift+click', 'choose a stretch'],
  ['Ctrl+click, Ctrl+A, Esc', 'choose one more, all, none'],
  ['Ctrl+Enter', 'grid: make all chosen ones examples'],
  ['.', 'larger; play a clip'],
  ['/ and ~', 'search; similar to this'],
  ['Alt+1 … Alt+9', 'the views'],
  ['Tab', 'to the next part of the page'],
  ['F2, Ctrl+M, Delete', 'in the list of classes: rename, join with another, remove'],
  ['Ctrl+E', 'finish and export'],
];

export function help() {
  const digits = /** @type {HTMLInputElement} */ (h('input', { type: 'checkbox', checked: !store.noDigits, onchange: () => { store.noDigits = !digits.checked; localStorage.setItem('sibyl-no-digits', store.noDigits ? '1' : ''); } }));
  const box = dialog('Keys', [
    h('table', { class: 'keys' }, h('tbody', {}, KEYS.map(([name, words]) => h('tr', {}, h('th', { scope: 'row' }, h('kbd', {}, name)), h('td', {}, words))))),
    h('p', {}, h('label', {}, digits, ' digits set classes')),
    h('p', { class: 'soft' }, 'Taught items are examples that the others follow. Confirmed ones are final, but at most five of a class become examples: what Sibyl was sure of anyway teaches little, and many such examples drown the hard classes.'),
    h('p', {}, h('button', { type: 'button', class: 'strong', onclick: () => box.close() }, 'Close'))]);
}
