// @ts-check
// The panel of one item: large, with its likeliest classes and the items most like it.
import { caption, isPicture, isSound, largeUrl, rowOfTable, small, soundUrl } from './cell.js';
import { breakable, byId, dialog, fill, h, key } from './dom.js';
import { get, itemsOf } from './net.js';
import { changed, className, NOTHING, on, store } from './store.js';
import { percent } from './words.js';

let asked = 0;
/** @type {any} */
let timer = 0;

export function start() {
  on('focus', () => { clearTimeout(timer); timer = setTimeout(draw, 60); });
  on('columns', () => { clearTimeout(timer); timer = setTimeout(draw, 60); });
  on('shown', () => { clearTimeout(timer); timer = setTimeout(draw, 60); });
}

/** What an item looks like when there is room. */
export function large(/** @type {any} */ item) {
  if (isPicture()) return h('img', { class: 'large', src: largeUrl(item.row), alt: `the item ${item.name}`, onload: (event) => { const image = event.target; if (image.naturalWidth < 40) image.classList.add('tiny'); }, onerror: (event) => event.target.replaceWith(h('p', { class: 'gone' }, 'cannot be read any more')) });
  if (isSound()) return h('div', { class: 'clip' }, h('p', {}, '♪ ', item.name), h('audio', { controls: true, src: soundUrl(item.row), preload: 'none', 'aria-label': `clip ${item.name}` }));
  if (store.session.modality === 'table') return h('div', { class: 'reading', tabIndex: 0, role: 'group', 'aria-label': item.name }, rowOfTable(item.text));
  return h('div', { class: 'reading', dir: 'auto', tabIndex: 0, role: 'group', 'aria-label': item.name }, item.text ?? item.name);
}

async function draw() {
  const panel = byId('item');
  const row = store.focus;
  if (row < 0 || row >= store.n) return void (++asked, fill(panel, h('p', { class: 'soft' }, 'The item that you choose is shown here.')));
  const turn = ++asked;
  const [item] = await itemsOf([row]);
  if (turn !== asked || !item) return;
  const hide = store.hideGuess && store.status[row] === 0;
  const alike = h('div', { class: 'alike' });
  fill(panel,
    h('h2', { class: 'file', dir: 'auto' }, item.name),
    store.bigElsewhere ? null : large(item),
    h('p', {}, caption(row, hide)),
    hide ? h('p', { class: 'soft' }, 'Guesses are not shown here, so that they do not sway the answer.') : likely(item),
    hide ? null : facts(row),
    h('h3', {}, 'Most like it'), alike);
  const near = await get(`api/similar?rows=${row}&n=7`).catch(() => []);
  if (turn !== asked) return;
  fill(alike, near.filter((other) => other !== row).slice(0, 6).map((other) => h('button', { type: 'button', class: 'mini', 'aria-label': `similar to item ${other + 1}`, onclick: () => { store.focus = other; changed('focus'); } }, small(other), caption(other))),
    h('button', { type: 'button', class: 'plain wide', onclick: () => changed('similar', [row]) }, key('~'), ' all that are similar'));
}

function likely(/** @type {any} */ item) {
  if (!item.candidates.length || store.bigElsewhere) return null;
  return h('ol', { class: 'likely' }, item.candidates.slice(0, 5).map(([place, chance]) => h('li', {},
    h('span', { class: 'name', dir: 'auto' }, breakable(className(place))), h('span', { class: 'sure' }, percent(chance)), meter(chance))));
}

export function meter(/** @type {number} */ share) {
  const bar = h('i', {});
  bar.style.width = `${(100 * share).toFixed(1)}%`;
  return h('span', { class: 'meter', 'aria-hidden': 'true' }, bar);
}

function facts(/** @type {number} */ row) {
  const lines = [];
  if (store.status[row] === 0 && store.alone[row] !== NOTHING && store.alone[row] !== store.label[row]) lines.push(`without the other items: ${className(store.alone[row])}`);
  if (store.outlier[row] > 32) lines.push('unlike the others of its class');
  return lines.length ? h('p', { class: 'soft' }, lines.join(' · ')) : null;
}

/** Look at an item as large as the window allows; play a clip. */
export async function enlarge(/** @type {number} */ row) {
  const [item] = await itemsOf([row]);
  if (!item) return;
  const player = byId('work').querySelector('audio') ?? byId('item').querySelector('audio');
  if (isSound() && player) return void player.play();
  const box = dialog(item.name, [large(item), h('p', {}, h('button', { type: 'button', class: 'plain', onclick: () => box.close() }, key('Esc'), ' close'))]);
  box.classList.add('big');
}
