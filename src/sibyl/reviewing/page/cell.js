// @ts-check
// One item, small: a picture, a text, a row of a table, a clip, or its name.
import { fill, h } from './dom.js';
import { itemsOf } from './net.js';
import { ASIDE, CONFIRMED, labelOf, LEFT, NOTHING, short, store, sureOf, TAUGHT } from './store.js';
import { cells, figure, percent } from './words.js';

export const isPicture = () => store.session.modality === 'image';
export const isSound = () => store.session.modality === 'audio';
export const smallUrl = (/** @type {number} */ row) => `api/small/${row}?v=${store.session.run}`;
export const largeUrl = (/** @type {number} */ row) => `api/large/${row}?v=${store.session.run}`;
export const soundUrl = (/** @type {number} */ row) => `api/sound/${row}?v=${store.session.run}`;

/** What an item looks like in a grid. */
export function small(/** @type {number} */ row) {
  if (isPicture()) return h('img', { class: 'pic', src: smallUrl(row), alt: '', draggable: false, onerror: (event) => event.target.replaceWith(h('span', { class: 'gone' }, 'cannot be read any more')) });
  const words = h('span', { class: 'words', dir: 'auto' });
  const put = () => {
    const item = store.items.get(row);
    if (item) fill(words, store.session.modality === 'table' ? rowOfTable(item.text, 5) : isSound() ? ['♪ ', item.name] : item.text ?? item.name);
  };
  put();
  if (!words.childNodes.length) soon(row, put);
  return words;
}

/** Rows that wait for their words are asked for together. */
const waiting = /** @type {Map<number, (() => void)[]>} */ (new Map());
export function soon(/** @type {number} */ row, /** @type {() => void} */ put) {
  if (!waiting.size) {
    setTimeout(async () => {
      const calls = new Map(waiting);
      waiting.clear();
      const rows = [...calls.keys()];
      for (let at = 0; at < rows.length; at += 200) await itemsOf(rows.slice(at, at + 200)).catch(() => {});
      for (const call of [...calls.values()].flat()) call();
    }, 15);
  }
  waiting.set(row, [...waiting.get(row) ?? [], put]);
}

export function rowOfTable(/** @type {string | null} */ text, most = 100) {
  const pairs = cells(text ?? '');
  return h('span', { class: 'pairs' }, pairs.slice(0, most).map(([name, value]) => h('span', {}, h('b', {}, name), ' ', most < 100 ? figure(String(value)) : String(value))),
    pairs.length > most ? h('span', {}, `and ${pairs.length - most} more`) : null);
}

/** The line below an item: its class, and how it is known. */
export function caption(/** @type {number} */ row, hide = false) {
  const status = store.status[row];
  const label = labelOf(row);
  if (status === TAUGHT) return h('span', { class: 'cap mine' }, '✓ ', short(label));
  if (status === CONFIRMED) return h('span', { class: 'cap mine' }, '✓✓ ', short(label));
  if (status === ASIDE) return h('span', { class: 'cap mine' }, '⊘ set aside');
  if (hide || store.label[row] === NOTHING) return h('span', { class: 'cap' }, ' ');
  return h('span', { class: 'cap guess' }, h('span', { class: 'name' }, short(label)), ' ', h('span', { class: 'sure' }, percent(sureOf(row))));
}

/** The same for a screen reader. */
export function spoken(/** @type {number} */ row, hide = false) {
  const item = store.items.get(row);
  const name = item ? (store.session.modality === 'text' ? (item.text ?? item.name).slice(0, 80) : item.name) : `item ${row + 1}`;
  const status = store.status[row];
  const words = { [TAUGHT]: `taught ${labelOf(row)}`, [CONFIRMED]: `confirmed ${labelOf(row)}`, [ASIDE]: 'set aside' };
  if (status !== LEFT) return `${name}, ${words[status]}`;
  if (hide || store.label[row] === NOTHING) return `${name}, no label`;
  return `${name}, guess ${labelOf(row)}, ${percent(sureOf(row))}`;
}
