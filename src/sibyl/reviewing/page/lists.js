// @ts-check
// The views that are a grid of some items in some order: a class, what changed, what was found, what is unlike every class.
import * as bar from './bar.js';
import { remove, rename } from './classes.js';
import { small } from './cell.js';
import { fill, h, key } from './dom.js';
import { Grid } from './grid.js';
import { fetchColumns, get, itemsOf } from './net.js';
import { changed, className, classes, CONFIRMED, labelOf, LEFT, NOTHING, on, rowsWhere, short, store, TAUGHT } from './store.js';
import { counted, number, percent } from './words.js';

/** A row of buttons of which one is on. */
function choice(/** @type {string} */ name, /** @type {[string, string][]} */ options, /** @type {string} */ on_, /** @type {(id: string) => void} */ chosen) {
  return h('span', { class: 'choice', role: 'group', 'aria-label': name }, options.map(([id, words]) => h('button', { type: 'button', class: 'plain', 'aria-pressed': String(id === on_), onclick: () => chosen(id) }, words)));
}

/** A grid with a heading; `rows` is asked when the view opens or is brought up to date, never while a person is at work in it. */
function gridView(/** @type {HTMLElement} */ view, /** @type {any} */ options) {
  const lead = h('div', { class: 'lead-in' });
  const fresh = h('button', { type: 'button', class: 'fresh', hidden: true, onclick: () => { update(false); grid.focus(); } });
  const grid = new Grid({ name: options.name(), note: options.note, entered: (rows, teach) => bar.accept(rows, teach) });
  const empty = h('p', { class: 'empty soft', hidden: true });

  function update(/** @type {boolean} */ keep) {
    grid.setRows(options.rows(), keep);
    fresh.hidden = true;
    words();
    itemsOf(grid.rows.slice(0, 120)).then(() => grid.redraw()).catch(() => {});
  }
  function words() {
    grid.sheet.setAttribute('aria-label', options.name());
    fill(lead, options.lead(grid, () => update(false)));
    empty.hidden = grid.rows.length > 0;
    grid.element.hidden = !grid.rows.length;
    fill(empty, options.empty?.() ?? 'Nothing here.');
  }
  function after(/** @type {number[]} */ rows, /** @type {string} */ kind) {
    const gone = new Set(rows);
    const place = grid.at - grid.rows.slice(0, grid.at).filter((row) => gone.has(row)).length;
    grid.setRows(grid.rows.filter((row) => !gone.has(row)), true);
    grid.go(place);
    words();
    options.after?.(rows, kind);
  }
  fill(view, lead, fresh, grid.element, empty);
  bar.serve(grid, { after: options.stays ? undefined : after, ...options.bar });
  update(false);
  const stops = [
    on('columns', () => {
      const now = options.rows();
      const differ = now.length !== grid.rows.length || now.some((row, place) => row !== grid.rows[place]);
      if (!grid.rows.length || options.eager) update(true);
      else if (differ) { // the order does not move under a person's hand
        fill(fresh, 'The guesses have changed: show the new order');
        fresh.hidden = false;
        words();
      }
    }),
    on('undone', () => update(true)),
  ];
  return { grid, update, focus: () => grid.focus(), close: () => { grid.close(); bar.serve(null); stops.forEach((stop) => stop()); } };
}

let sort = 'sure', showDone = false;
const SORTS = /** @type {[string, string][]} */ ([['sure', 'sure first'], ['unsure', 'unsure first'], ['odd', 'odd ones first']]);

export function openClass(/** @type {HTMLElement} */ view) {
  const place = () => classes().findIndex((one) => one.name === store.viewClass);
  if (place() < 0) store.viewClass = classes()[0]?.name ?? '';
  const score = { sure: (row) => store.sure[row], unsure: (row) => -store.sure[row], odd: (row) => store.outlier[row] };
  const made = gridView(view, {
    name: () => `Items guessed to be ${store.viewClass}`,
    rows: () => [
      ...rowsWhere((row) => store.label[row] === place() && store.status[row] === LEFT, score[sort]),
      ...(showDone ? rowsWhere((row) => store.label[row] === place() && store.status[row] !== LEFT, null) : []),
    ],
    empty: () => (store.solving && !store.solved ? 'The guesses are on their way.' : classes().length ? `No item is guessed to be ${store.viewClass}${classes()[place()]?.taught ? '' : ' yet: teach one item of it'}.` : 'Name some items first.'),
    lead: (grid, update) => {
      const one = classes()[place()];
      if (!one) return [];
      const done = one.taught + one.confirmed;
      return [
        h('div', { class: 'row' }, h('h2', { dir: 'auto' }, one.name),
          h('span', { class: 'soft' }, `${number(one.taught)} taught · ${number(one.confirmed)} confirmed · ${number(grid.rows.filter((row) => store.status[row] === LEFT).length)} guessed`),
          h('button', { type: 'button', class: 'plain', onclick: () => rename(one.name) }, 'rename'),
          h('button', { type: 'button', class: 'plain', onclick: () => rename(one.name, true) }, 'join with…'),
          h('button', { type: 'button', class: 'plain', onclick: () => remove(one.name) }, 'remove')),
        h('div', { class: 'row' }, choice('Order', SORTS, sort, (id) => { sort = id; update(); }),
          done ? h('button', { type: 'button', class: 'plain', 'aria-pressed': String(showDone), onclick: () => { showDone = !showDone; update(); } }, showDone ? 'hide those you labelled' : `show the ${number(done)} you labelled`) : null),
        h('p', { class: 'soft hint' }, 'From sure to unsure. Hold ', key('⇧'), ' and click, or ', key('⇧'), ' with arrows, up to the last right one; then ', key('⏎'), ' confirms them all.'),
      ];
    },
  });
  return made;
}

let since = 'last', flow = '';
const SINCE = /** @type {[string, string][]} */ ([['last', 'the last solve'], ['ten', 'my last 10 labels'], ['hour', 'an hour ago']]);
export const hasChanged = (/** @type {number} */ row) => store.status[row] === LEFT && store.before[row] !== NOTHING && store.label[row] !== NOTHING && store.before[row] !== store.label[row];
const flowOf = (/** @type {number} */ row) => `${short(className(store.before[row]))} → ${short(labelOf(row))}`;

export function openChanged(/** @type {HTMLElement} */ view) {
  flow = '';
  const made = gridView(view, {
    name: () => 'Items whose guess changed',
    note: (row) => (store.status[row] === LEFT ? flowOf(row) : null),
    rows: () => rowsWhere((row) => hasChanged(row) && (!flow || flowOf(row) === flow), (row) => store.sure[row]),
    empty: () => 'No guess changed.',
    lead: (grid, update) => {
      const all = rowsWhere(hasChanged, null);
      const counts = new Map();
      for (const row of all) counts.set(flowOf(row), (counts.get(flowOf(row)) ?? 0) + 1);
      const flows = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 12);
      const left = store.session.counts.left || 1;
      return [
        h('div', { class: 'row' }, h('h2', {}, `${number(all.length)} of ${number(left)} guesses changed`), h('span', { class: 'soft' }, `${percent(all.length / left, 1)} since`),
          choice('Since', SINCE, since, async (id) => { since = id; flow = ''; await fetchColumns(id); update(); })),
        flows.length ? h('div', { class: 'row chips' }, flows.map(([name, number_]) => h('button', { type: 'button', class: 'chipbutton', 'aria-pressed': String(flow === name), dir: 'auto', onclick: () => { flow = flow === name ? '' : name; update(); } }, `${name} `, h('b', {}, number(number_))))) : null,
      ];
    },
  });
  return made;
}

let found = /** @type {number[]} */ ([]), query = '', about = '', filter = 'all';
export function seekSimilar(/** @type {number[]} */ rows) { about = rows.join(','); query = ''; }
const FILTERS = /** @type {[string, string][]} */ ([['all', 'all'], ['left', 'guessed'], ['unsure', 'unsure'], ['mine', 'labelled by you'], ['aside', 'set aside']]);
const passes = { all: () => true, left: (row) => store.status[row] === LEFT, unsure: (row) => store.status[row] === LEFT && store.sure[row] < 153, mine: (row) => [TAUGHT, CONFIRMED].includes(store.status[row]), aside: (row) => store.status[row] === 3 };

export function openSearch(/** @type {HTMLElement} */ view) {
  const input = /** @type {HTMLInputElement} */ (h('input', { type: 'search', value: query, placeholder: store.session.modality === 'image' || store.session.modality === 'audio' ? 'words in names of files' : 'words in names and texts', 'aria-label': 'Words to search for' }));
  let timer = 0;
  input.addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(() => { query = input.value; about = ''; run(); }, 200); });
  input.addEventListener('keydown', (event) => { if (event.key === 'Enter' || event.key === 'ArrowDown') { made.focus(); event.preventDefault(); } if (event.key !== 'Escape' && !event.altKey) event.stopPropagation(); });
  const box = h('div', { class: 'row searching' }, input);
  const body = h('div', { class: 'fill' });
  fill(view, box, body);
  const made = gridView(body, {
    name: () => (about ? 'Similar items' : 'Items found'),
    rows: () => found.filter(passes[filter]),
    empty: () => (query || about ? 'Nothing was found.' : 'Type words, or press ~ on an item to see what is like it.'),
    stays: true,
    lead: (grid, update) => [h('div', { class: 'row' },
      h('h2', {}, about ? `${number(grid.rows.length)} most like ${counted(about.split(',').length, 'item')}` : query ? `${number(grid.rows.length)} found` : 'Search'),
      choice('Which', FILTERS, filter, (id) => { filter = id; update(); }),
      about ? h('span', { class: 'soft' }, 'nearest first') : null)],
  });
  async function run() {
    if (about) found = await get(`api/similar?rows=${about}&n=300`).catch(() => []);
    else found = query.trim() ? await get(`api/search?q=${encodeURIComponent(query)}`).catch(() => []) : rowsWhere(() => true, null).slice(0, 5000);
    made.update(false);
  }
  const ran = run();
  return { ...made, focus: () => (about ? ran.then(() => made.focus()) : input.focus()), escape: () => made.focus() };
}

let heaps = /** @type {number[][]} */ ([]), heap = 0, heapsOf = -1;
/** How many items lie in heaps: one alone is rarely a class that is missing. */
export const heapCount = () => (heapsOf < 0 ? null : heaps.map((rows) => rows.filter((row) => store.status[row] === LEFT).length).filter((n) => n > 1).reduce((sum, n) => sum + n, 0));
export async function fetchHeaps() {
  if (!store.solved || heapsOf === store.solved) return;
  heapsOf = store.solved;
  heaps = await get('api/heaps').catch(() => []);
  changed('heaps');
}

export function openNew(/** @type {HTMLElement} */ view) {
  const strip = h('div', { class: 'heaps', role: 'listbox', tabIndex: 0, 'aria-label': 'Heaps of like items', onkeydown: (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { pick(heap + step); event.preventDefault(); } else if (event.key === 'Enter') { made.focus(); event.preventDefault(); }
    if (step || event.key === 'Enter') event.stopPropagation();
  } });
  const body = h('div', { class: 'fill' });
  fill(view, strip, body);
  heap = 0;
  const open = () => heaps.map((rows) => rows.filter((row) => store.status[row] === LEFT)).filter((rows) => rows.length);
  const several = () => open().filter((rows) => rows.length > 1).slice(0, 24);
  const alone = () => open().filter((rows) => rows.length === 1).flat();
  const piles = () => [...several(), ...(alone().length ? [alone()] : [])];
  const made = gridView(body, {
    name: () => 'Items unlike every class',
    rows: () => piles()[heap] ?? [],
    empty: () => (store.solved ? 'No item stands out: every class seems to have examples.' : 'Name items of two classes first.'),
    bar: { spread: 5 },
    after: () => { draw(); },
    lead: (grid) => {
      const isAlone = heap >= several().length;
      return grid.rows.length ? [
        h('div', { class: 'row' }, h('h2', {}, isAlone ? `${number(grid.rows.length)} that are like nothing else` : `${number(grid.rows.length)} alike, and unlike the others of their guess`),
          h('button', { type: 'button', class: 'plain', onclick: () => { grid.select(grid.rows); grid.focus(); } }, 'choose all')),
        h('p', { class: 'soft hint' }, isAlone ? 'Look through them one by one: type a class, or set aside what belongs nowhere. Most are odd items of a known class.' : 'The most typical first. Choose what is one kind (⇧ and arrows or click, or all) and type its name: five of them become examples, the others are confirmed.'),
      ] : [];
    },
  });
  function pick(/** @type {number} */ place) {
    heap = Math.max(0, Math.min(piles().length - 1, place));
    made.update(false);
    draw();
  }
  function draw() {
    heap = Math.max(0, Math.min(heap, piles().length - 1));
    fill(strip, piles().map((rows, place) => h('button', { type: 'button', role: 'option', class: 'heap', tabIndex: -1, 'aria-selected': String(place === heap), 'aria-label': place >= several().length ? `${rows.length} alone` : `${rows.length} alike, guessed ${labelOf(rows[0])}`, onclick: () => { pick(place); made.focus(); } },
      rows.slice(0, 3).map((row) => small(row)), h('span', { class: 'cap' }, place >= several().length ? `${number(rows.length)} alone` : `${number(rows.length)} alike`))));
  }
  const stops = [on('heaps', () => pick(heap))];
  fetchHeaps().then(() => pick(0));
  return { ...made, close: () => { made.close(); stops.forEach((stop) => stop()); } };
}
