// @ts-check
// How right it is: items drawn at random, asked without showing the guess; and what to do next.
import { fill, h } from './dom.js';
import { get } from './net.js';
import { onlyChecks } from './next.js';
import { changed, on, store } from './store.js';
import { between, number, percent } from './words.js';

let goal = 0.95;
const TO = { start: 'Name first items', next: 'Go to the queue', new: 'Look at them' };
const GOALS = [0.8, 0.9, 0.95, 0.98, 0.99];

export function open(/** @type {HTMLElement} */ view) {
  const page = h('div', { class: 'page', tabIndex: -1 });
  fill(view, page);
  store.focus = -1;
  changed('focus');
  fill(page, h('p', { class: 'soft' }, 'One moment…'));
  let isOpen = true;

  async function draw() {
    const trust = await get(`api/trust?goal=${goal}`).catch(() => null);
    if (!trust || !isOpen) return;
    const { checked, advice } = trust;
    const choose = /** @type {HTMLSelectElement} */ (h('select', { id: 'goal', onchange: () => { goal = Number(choose.value); draw(); } }, GOALS.map((share) => h('option', { value: share, selected: share === goal }, percent(share)))));
    fill(page,
      h('div', { class: `verdict ${advice.stop ? 'stop' : ''}` }, h('p', { class: 'big' }, advice.words),
        h('p', { class: 'row' }, advice.view === 'finish'
          ? h('button', { type: 'button', class: 'strong', onclick: () => changed('finish') }, 'Finish and write the labels')
          : h('button', { type: 'button', class: 'strong', onclick: () => (advice.class ? changed('open-class', advice.class) : changed('open-view', advice.view)) }, advice.class ? `Look at ${advice.class}` : TO[advice.view] ?? 'Do that'))),
      h('dl', { class: 'figures' },
        h('div', {}, h('dd', {}, checked.of >= 5 ? between(checked) : '–'), h('dt', {}, checked.of >= 5 ? `of all guesses are right, with 95 % confidence: ${checked.right} of ${checked.of} checks were` : `right: too few checks yet (${checked.of})`)),
        h('div', {}, h('dd', {}, trust.claimed === null ? '–' : percent(trust.claimed)), h('dt', {}, 'is what Sibyl itself claims; trust the checks more')),
        h('div', {}, h('dd', {}, trust.moved === null ? '–' : percent(trust.moved, 1)), h('dt', {}, 'of the guesses were moved by your last ten labels'))),
      h('p', { class: 'row' }, h('button', { type: 'button', class: 'plain', onclick: () => { onlyChecks(true); changed('open-view', 'next'); }, disabled: !store.solved }, 'Check some more at random'),
        h('label', { for: 'goal' }, 'Goal: at least '), choose, ' right'),
      h('p', { class: 'soft hint' }, 'Every fifth item of the queue is drawn at random and asked before its guess is shown. The last 50 of these checks count: earlier ones judged an earlier state, so the figure rather falls short.'),
      h('h2', {}, 'Right guesses, among the last 20 items that you named'), course(trust.course),
      h('p', { class: 'soft hint' }, 'Most of these were asked because they were doubtful: of all items more are right.'),
      h('h2', {}, 'Most often mistaken'),
      trust.doubts.length ? h('table', {}, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'class'), h('th', { scope: 'col' }, 'wrong'), h('th', { scope: 'col' }, 'was taken for'))),
        h('tbody', {}, trust.doubts.map((one) => h('tr', {}, h('td', {}, h('button', { type: 'button', class: 'link', dir: 'auto', onclick: () => changed('open-class', one.class) }, one.class)), h('td', {}, `${one.wrong} of ${one.of}`),
          h('td', {}, one.taken_for.map(([name, times], at) => [at ? ', ' : '', h('button', { type: 'button', class: 'link', dir: 'auto', onclick: () => changed('open-class', name) }, name), ` ${times}`]).flat()))))) : h('p', { class: 'soft' }, 'No mistake yet among the items that you named after a guess.'));
  }
  draw();
  const stops = [on('columns', draw)];
  return { focus: () => page.focus({ preventScroll: true }), close: () => { isOpen = false; stops.forEach((stop) => stop()); } };
}

const SVG = 'http://www.w3.org/2000/svg';
function shape(/** @type {string} */ name, /** @type {Record<string, any>} */ attributes, words = '') {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  if (words) element.textContent = words;
  return element;
}

function course(/** @type {number[]} */ shares) {
  if (shares.length < 3) return h('p', { class: 'soft' }, 'Too few labels yet.');
  const wide = 640, high = 120;
  const picture = shape('svg', { viewBox: `-50 -8 ${wide + 60} ${high + 30}`, class: 'course', role: 'img', 'aria-label': `From ${percent(shares[Math.min(4, shares.length - 1)])} to ${percent(shares[shares.length - 1])} after ${shares.length} labels` });
  for (const share of [0, 0.5, 1]) {
    picture.append(shape('line', { x1: 0, x2: wide, y1: high * (1 - share), y2: high * (1 - share), class: 'rule' }), shape('text', { x: -6, y: high * (1 - share) + 4, 'text-anchor': 'end' }, percent(share)));
  }
  const points = shares.map((share, at) => `${((at / Math.max(1, shares.length - 1)) * wide).toFixed(1)},${(high * (1 - share)).toFixed(1)}`);
  picture.append(shape('polyline', { points: points.join(' '), class: 'line' }), shape('text', { x: wide, y: high + 18, 'text-anchor': 'end' }, `${number(shares.length)} labels`));
  return picture;
}
