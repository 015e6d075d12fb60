// @ts-check
// The first view: items that stand for the pile. A person names them, and the rest begins to follow.
import { act, changeClasses, say } from './act.js';
import * as bar from './bar.js';
import { addSome } from './classes.js';
import { fill, h, key } from './dom.js';
import { Grid } from './grid.js';
import { fetchColumns, fetchSession, itemsOf, post } from './net.js';
import { changed, classes, on, store } from './store.js';
import { counted, number } from './words.js';

let shown = 24;
const passed = new Set();

export const isDone = () => store.session.first.slice(0, shown).every((row) => store.status[row] !== 0 || passed.has(row));
export const left = () => store.session.first.slice(0, shown).filter((row) => store.status[row] === 0 && !passed.has(row)).length;

export function open(/** @type {HTMLElement} */ view) {
  const lead = h('div', { class: 'lead-in' });
  const grid = new Grid({ name: 'First items', entered: (rows, teach) => bar.accept(rows, teach) });
  const rows = () => store.session.first.slice(0, shown);

  function words() {
    const { offer } = store.session;
    const n = rows().length;
    fill(lead,
      h('p', { class: 'big' }, !left() ? `All ${n} are named. What helps most now stands in the queue.` : classes().some((one) => one.taught)
        ? `${counted(left(), 'item')} of these ${n} left. Type what you see, or press Enter where the guess is right.`
        : `${n === 1 ? 'One item' : n === store.n ? `These ${n} are the pile` : `These ${n} stand for the pile`}. Name what you see: the same name makes the same class.`),
      h('p', { class: 'row soft' },
        h('button', { type: 'button', class: 'plain', onclick: more, disabled: shown >= store.session.first.length }, '24 more'),
        h('button', { type: 'button', class: 'plain', onclick: addSome }, 'I know the classes: paste a list…'),
        h('button', { type: 'button', class: left() ? 'plain' : 'strong', onclick: () => changed('open-view', 'next') }, 'Go to the queue ›')),
      leftOut(),
      offer ? h('div', { class: 'callout' }, `The pile has labels of its own: ${offer.by}, ${number(offer.items)} items in ${counted(offer.classes, 'class', 'classes')}. `,
        h('button', { type: 'button', class: 'plain', onclick: take }, 'Use them as labels')) : null);
  }
  /** What is in the pile and cannot be shown. */
  function leftOut() {
    const { skipped, skipped_first } = store.session;
    if (!skipped) return null;
    const more = skipped - skipped_first.length;
    return h('details', { class: 'soft' }, h('summary', {}, `${counted(skipped, 'item')} cannot be read and ${skipped === 1 ? 'is' : 'are'} left out`),
      h('ul', {}, skipped_first.map(([name, why]) => h('li', { dir: 'auto' }, `${name}: ${why}`)), more > 0 ? h('li', {}, `and ${number(more)} more; labels.csv has them all`) : null));
  }
  async function take() {
    await post('api/offer', {}).catch((error) => say(error.message));
    await Promise.all([fetchSession(), fetchColumns()]);
  }
  function more() {
    shown = Math.min(shown + 24, store.session.first.length);
    grid.setRows(rows(), true);
    words();
    grid.focus();
  }
  function after() {
    words();
    if (isDone()) {
      say('The first items are named. Now the queue: the items whose label helps most.');
      setTimeout(() => changed('open-view', 'next'), 600);
    } else nextOne();
  }
  function nextOne() {
    const list = grid.rows;
    for (let step = 1; step <= list.length; step++) {
      const place = (grid.at + step) % list.length;
      if (store.status[list[place]] === 0 && !passed.has(list[place])) return grid.go(place);
    }
  }
  function skip() {
    passed.add(grid.row);
    say('skipped');
    after();
  }
  fill(view, lead, grid.element);
  bar.serve(grid, { prompt: 'What is it?', after, skip });
  words();
  grid.setRows(rows());
  itemsOf(rows()).then(() => grid.redraw()).catch(() => {});
  const first = rows().findIndex((row) => store.status[row] === 0);
  if (first > 0) grid.go(first);
  const stops = [on('session', words), on('columns', words)];
  return { focus: () => grid.focus(), escape: skip, close: () => { grid.close(); bar.serve(null); stops.forEach((stop) => stop()); } };
}
