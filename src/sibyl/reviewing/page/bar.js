// @ts-check
// The bar below every grid: what is chosen, what Enter does with it, and the box for another class.
import { act, properName, say } from './act.js';
import { ClassBox } from './box.js';
import { isSound } from './cell.js';
import { byId, fill, h, key } from './dom.js';
import { enlarge } from './item.js';
import { changed, CONFIRMED, labelOf, NOTHING, on, store } from './store.js';
import { counted } from './words.js';

/** @type {any} */
export let grid = null;
/** @type {{after?: (rows: number[], kind: string) => void, spread?: number, prompt?: string, skip?: () => void} | null} */
let hooks = null;

const box = new ClassBox({
  label: 'Class of the chosen items',
  chosen: (name, event) => label(properName(name), !!event?.ctrlKey),
  left: () => grid?.focus(),
});
const lead = h('p', { class: 'lead', 'aria-hidden': 'true' });
const buttons = h('div', { class: 'row' });

export function start() {
  fill(byId('bar'), lead, box.element, buttons);
  on('selection', (which) => { if (which === grid) draw(); });
  on('columns', draw);
}

/** Give the bar a grid, or take it away. */
export function serve(/** @type {any} */ which, /** @type {any} */ more = {}) {
  grid = which;
  hooks = more;
  byId('bar').hidden = !grid;
  box.clear();
  draw();
}

export function typing() { box.input.focus(); }

function draw() {
  if (!grid) return;
  const rows = grid.chosen;
  const many = rows.length > 1;
  const kinds = new Set(rows.map((row) => store.label[row]));
  const guess = rows.length && kinds.size === 1 ? labelOf(rows[0]) : '';
  const isMine = rows.length === 1 && store.status[rows[0]] !== 0;
  fill(lead, many ? `${counted(rows.length, 'item')} chosen` : hooks?.prompt ?? (rows.length ? 'This item' : 'No item'));
  const agree = many ? (guess ? `confirm as ${guess}` : 'confirm each as guessed') : `it is ${guess}`;
  const canAgree = rows.length && !isMine && !grid.options.hide && rows.every((row) => store.label[row] !== NOTHING) && !hooks?.noAgree;
  fill(buttons,
    canAgree ? h('button', { type: 'button', class: 'strong', onclick: () => { accept(rows, false); grid.focus(); }, title: many ? `of them at most five become examples` : '' }, key('⏎'), ' ', agree) : null,
    h('button', { type: 'button', class: 'plain', disabled: !rows.length, onclick: () => { aside(); grid.focus(); } }, key('Del'), ' set aside'),
    hooks?.skip ? h('button', { type: 'button', class: 'plain', onclick: () => { hooks.skip(); grid.focus(); } }, key('Esc'), ' skip') : null,
    rows.length ? h('button', { type: 'button', class: 'plain', onclick: () => changed('similar', rows) }, key('~'), ' similar') : null,
    rows.length && !many ? h('button', { type: 'button', class: 'plain', onclick: () => enlarge(rows[0]) }, key('.'), isSound() ? ' play' : ' larger') : null,
    many ? h('button', { type: 'button', class: 'plain', onclick: () => { grid.select([]); grid.focus(); } }, key('Esc'), ' none') : null,
    isMine ? h('button', { type: 'button', class: 'plain', onclick: () => { act('clear', rows); grid.focus(); } }, 'take the label off') : null);
}

/** Agree with the guesses: one item is taught, several are confirmed. */
export function accept(/** @type {number[]} */ rows, /** @type {boolean} */ teach) {
  const some = rows.filter((row) => store.label[row] !== NOTHING && (rows.length === 1 || store.status[row] !== CONFIRMED || teach));
  if (!some.length) return say('nothing is guessed yet: type a class');
  const kinds = new Set(some.map((row) => store.label[row]));
  done(some, some.length > 1 && !teach ? 'confirm' : 'teach', kinds.size === 1 ? labelOf(some[0]) : null);
}

/** Name the chosen items. */
export function label(/** @type {string} */ name, /** @type {boolean} */ teach) {
  const rows = grid?.chosen ?? [];
  if (rows.length) done(rows, rows.length > 1 && !teach ? 'confirm' : 'teach', name);
  grid?.focus();
}

export function aside() {
  const rows = grid?.chosen ?? [];
  if (rows.length) done(rows, 'aside', null);
}

function done(/** @type {number[]} */ rows, /** @type {'teach' | 'confirm' | 'aside'} */ kind, /** @type {string | null} */ name) {
  act(kind, rows, name, { ...(kind === 'confirm' && hooks?.spread ? { spread: hooks.spread } : {}), ...(rows.length === 1 ? hooks?.fields ?? {} : {}) });
  grid.selected.clear();
  if (hooks?.after) hooks.after(rows, kind);
  else grid.next();
}
