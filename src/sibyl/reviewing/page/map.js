// @ts-check
// The map: every item a point, near each other where they are alike. A lasso chooses items, which are then a list below.
import * as bar from './bar.js';
import { small } from './cell.js';
import { fill, h, key } from './dom.js';
import { Grid } from './grid.js';
import { hasChanged } from './lists.js';
import { changed, className, classes, guessed, labelOf, LEFT, NOTHING, on, short, store } from './store.js';
import { counted, number, percent } from './words.js';

const COLOURS = /** @type {[string, string][]} */ ([['classes', 'largest classes'], ['sure', 'how sure'], ['changed', 'changed'], ['mine', 'labelled by you'], ['none', 'none']]);
// Eight colours that can be told apart, colour-blind or not, on light and on dark ground (Okabe and Ito, two of them darkened).
const EIGHT = [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [150, 120, 0], [86, 180, 233], [230, 159, 0], [120, 90, 200]];
/** @type {Float32Array | null} */
let places = null;
let colour = 'classes';

export function open(/** @type {HTMLElement} */ view) {
  const canvas = /** @type {HTMLCanvasElement} */ (h('canvas', { class: 'map', tabIndex: 0, role: 'application', 'aria-roledescription': 'map', 'aria-label': 'Map of all items. Arrows move the cross; Enter sets a corner, then the opposite one; plus and minus zoom. What is chosen becomes a list below.' }));
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const names = h('div', { class: 'mapnames', 'aria-hidden': 'true' });
  const tip = h('div', { class: 'tip', hidden: true });
  const legend = h('div', { class: 'row legend' });
  const grid = new Grid({ name: 'Items chosen on the map', entered: (rows, teach) => bar.accept(rows, teach), size: 96 });
  const wait = h('p', { class: 'empty soft' }, places ? '' : 'Laying out the map: some seconds the first time, up to a minute for large piles…');
  let scale = 1, left = 0, top = 0, cross = { x: 0.5, y: 0.5 }, corner = /** @type {any} */ (null), lasso = /** @type {number[][]} */ ([]), lassoing = false, drag = /** @type {any} */ (null);
  let isOpen = true;
  let tool = 'lasso';
  const toolButton = h('button', { type: 'button', class: 'plain', 'aria-pressed': 'true', onclick: () => { tool = tool === 'lasso' ? 'move' : 'lasso'; toolButton.setAttribute('aria-pressed', String(tool === 'lasso')); } }, 'lasso');

  const unit = () => Math.min(canvas.clientWidth, canvas.clientHeight);
  const across = (/** @type {number} */ row) => (/** @type {Float32Array} */ (places)[2 * row] * unit() + (canvas.clientWidth - unit()) / 2 - left) * scale;
  const down = (/** @type {number} */ row) => (/** @type {Float32Array} */ (places)[2 * row + 1] * unit() + (canvas.clientHeight - unit()) / 2 - top) * scale;

  function largest() {
    const counts = guessed();
    return [...counts.keys()].sort((a, b) => counts[b] - counts[a]).slice(0, 8);
  }

  function draw() {
    if (!places || !isOpen) return;
    const ratio = devicePixelRatio || 1;
    const wide = Math.round(canvas.clientWidth * ratio), high = Math.round(canvas.clientHeight * ratio);
    if (!wide || !high) return;
    if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
    const picture = pen.createImageData(wide, high);
    const pixels = new Uint32Array(picture.data.buffer);
    const dark = matchMedia('(prefers-color-scheme: dark)').matches;
    const word = (/** @type {number[]} */ [r, g, b], alpha = 255) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
    const grey = word(dark ? [120, 112, 104] : [168, 160, 150]);
    const top8 = new Map(largest().map((place, at) => [place, word(EIGHT[at])]));
    const strong = word(dark ? [240, 154, 130] : [176, 58, 36]);
    const size = Math.max(1, Math.round(ratio * (store.n > 20000 ? 0.8 : store.n > 3000 ? 1.3 : 2.2) * Math.min(2, Math.sqrt(scale))));
    const paint = (/** @type {number} */ row, /** @type {number} */ ink, /** @type {number} */ reach) => {
      const x = Math.round(across(row) * ratio), y = Math.round(down(row) * ratio);
      if (x < reach || y < reach || x >= wide - reach || y >= high - reach) return;
      for (let dy = -reach; dy <= reach; dy++) for (let dx = -reach; dx <= reach; dx++) if (dx * dx + dy * dy <= reach * reach + 1) pixels[(y + dy) * wide + x + dx] = ink;
    };
    const inkOf = (/** @type {number} */ row) => {
      if (colour === 'classes') return top8.get(store.label[row]) ?? grey;
      if (colour === 'sure') { const s = store.sure[row] / 255; return store.label[row] === NOTHING ? grey : word(dark ? [90 + 60 * s, 80 + 130 * s, 90 + 160 * s] : [210 - 180 * s, 150 - 60 * s, 120 + 10 * s]); }
      if (colour === 'changed') return hasChanged(row) ? strong : grey;
      if (colour === 'mine') return store.status[row] !== LEFT ? strong : grey;
      return grey;
    };
    for (let row = 0; row < store.n; row++) paint(row, inkOf(row), size);
    const ink = word(dark ? [240, 235, 226] : [33, 30, 26]);
    for (const row of grid.rows) paint(row, ink, size + 1);
    for (const row of grid.rows) paint(row, inkOf(row), Math.max(0, size - 1));
    pen.putImageData(picture, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.strokeStyle = dark ? '#efeae2' : '#211e1a';
    pen.lineWidth = 1.5;
    if (lasso.length > 1) { pen.beginPath(); lasso.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y))); pen.stroke(); }
    if (document.activeElement === canvas) {
      const x = cross.x * canvas.clientWidth, y = cross.y * canvas.clientHeight;
      pen.beginPath(); pen.moveTo(x - 10, y); pen.lineTo(x + 10, y); pen.moveTo(x, y - 10); pen.lineTo(x, y + 10); pen.stroke();
      if (corner) pen.strokeRect(corner.x, corner.y, x - corner.x, y - corner.y);
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    put();
  }

  /** Names stand on the middle of their classes, where there is room. */
  function put() {
    const counts = guessed(), some = [...counts.keys()].filter((place) => counts[place] > 2).sort((a, b) => counts[b] - counts[a]).slice(0, 40);
    const x = new Map(), y = new Map();
    for (let row = 0; row < store.n; row++) {
      const place = store.label[row];
      if (place === NOTHING) continue;
      if (!x.has(place)) { x.set(place, []); y.set(place, []); }
      x.get(place).push(across(row)); y.get(place).push(down(row));
    }
    const middle = (/** @type {number[]} */ values) => values.sort((a, b) => a - b)[values.length >> 1];
    const taken = /** @type {number[][]} */ ([]);
    fill(names, some.map((place) => {
      const name = short(className(place)).slice(0, 24), mx = middle(x.get(place)), my = middle(y.get(place)), half = name.length * 3.6 + 4;
      if (mx < half || my < 8 || mx > canvas.clientWidth - half || my > canvas.clientHeight - 8 || taken.some(([ox, oy, oh]) => Math.abs(ox - mx) < oh + half && Math.abs(oy - my) < 17)) return null;
      taken.push([mx, my, half]);
      const label = h('span', {}, name);
      label.style.cssText = `left:${mx}px;top:${my}px`;
      return label;
    }));
  }

  function choose(/** @type {(x: number, y: number) => boolean} */ inside) {
    const rows = [];
    for (let row = 0; row < store.n; row++) if (inside(across(row), down(row))) rows.push(row);
    grid.setRows(rows);
    grid.element.hidden = !rows.length;
    if (rows.length > 1) grid.select(rows);
    note.textContent = rows.length ? `${counted(rows.length, 'item')} chosen` : 'Nothing lies there.';
    changed('said', note.textContent);
    draw();
    if (rows.length) grid.focus();
  }

  function insideLasso(/** @type {number} */ x, /** @type {number} */ y) {
    let inside = false;
    for (let a = 0, b = lasso.length - 1; a < lasso.length; b = a++) {
      const [ax, ay] = lasso[a], [bx, by] = lasso[b];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
    }
    return inside;
  }

  function zoom(/** @type {number} */ factor, /** @type {number} */ x = canvas.clientWidth / 2, /** @type {number} */ y = canvas.clientHeight / 2) {
    const next = Math.max(0.8, Math.min(60, scale * factor));
    left += x / scale - x / next;
    top += y / scale - y / next;
    scale = next;
    draw();
  }

  canvas.addEventListener('wheel', (event) => { event.preventDefault(); zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.offsetX, event.offsetY); }, { passive: false });
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    canvas.focus();
    if (tool === 'lasso' && !event.shiftKey && event.button === 0) { lassoing = true; lasso = [[event.offsetX, event.offsetY]]; } else drag = { x: event.clientX, y: event.clientY, left, top };
    tip.hidden = true;
  });
  canvas.addEventListener('pointermove', (event) => {
    if (lassoing) { lasso.push([event.offsetX, event.offsetY]); draw(); } else if (drag) { left = drag.left - (event.clientX - drag.x) / scale; top = drag.top - (event.clientY - drag.y) / scale; draw(); } else hover(event.offsetX, event.offsetY);
  });
  canvas.addEventListener('pointerup', (event) => {
    if (lassoing) {
      lassoing = false;
      if (lasso.length > 5) choose(insideLasso);
      else { const row = nearest(event.offsetX, event.offsetY, 12); if (row >= 0) choose((x, y) => x === across(row) && y === down(row)); }
      lasso = [];
      draw();
    }
    drag = null;
  });
  canvas.addEventListener('pointerleave', () => { tip.hidden = true; });
  canvas.addEventListener('focus', draw);
  canvas.addEventListener('blur', draw);
  canvas.addEventListener('keydown', (event) => {
    const step = event.shiftKey ? 0.1 : 0.025;
    const move = { ArrowRight: [step, 0], ArrowLeft: [-step, 0], ArrowDown: [0, step], ArrowUp: [0, -step] }[event.key];
    if (event.altKey || event.ctrlKey) return;
    if (move) { cross = { x: Math.max(0, Math.min(1, cross.x + move[0])), y: Math.max(0, Math.min(1, cross.y + move[1])) }; hover(cross.x * canvas.clientWidth, cross.y * canvas.clientHeight); draw(); } else if (event.key === '+' || event.key === '=') zoom(1.3, cross.x * canvas.clientWidth, cross.y * canvas.clientHeight);
    else if (event.key === '-') zoom(1 / 1.3, cross.x * canvas.clientWidth, cross.y * canvas.clientHeight);
    else if (event.key === 'Enter') {
      const at = { x: cross.x * canvas.clientWidth, y: cross.y * canvas.clientHeight };
      if (!corner) { corner = at; changed('said', 'first corner set'); draw(); } else {
        const [x0, x1, y0, y1] = [Math.min(corner.x, at.x), Math.max(corner.x, at.x), Math.min(corner.y, at.y), Math.max(corner.y, at.y)];
        corner = null;
        choose((x, y) => x >= x0 && x <= x1 && y >= y0 && y <= y1);
      }
    } else if (event.key === 'Escape' && corner) { corner = null; draw(); } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  function nearest(/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ reach) {
    let best = -1, near = reach * reach;
    for (let row = 0; row < store.n; row++) {
      const distance = (across(row) - x) ** 2 + (down(row) - y) ** 2;
      if (distance < near) { near = distance; best = row; }
    }
    return best;
  }

  let last = -1;
  function hover(/** @type {number} */ x, /** @type {number} */ y) {
    if (!places) return;
    const row = nearest(x, y, 14);
    if (row === last && !tip.hidden) return;
    last = row;
    tip.hidden = row < 0;
    if (row < 0) return;
    fill(tip, small(row), h('span', {}, labelOf(row) || 'no label', store.status[row] === LEFT && labelOf(row) ? ` ${percent(store.sure[row] / 255)}` : ''));
    tip.style.cssText = `left:${Math.min(x + 14, canvas.clientWidth - 130)}px;top:${Math.max(0, Math.min(y + 14, canvas.clientHeight - 140))}px`;
  }

  function explain() {
    fill(legend,
      h('span', { class: 'choice', role: 'group', 'aria-label': 'Colours' }, COLOURS.map(([id, words]) => h('button', { type: 'button', class: 'plain', 'aria-pressed': String(colour === id), onclick: () => { colour = id; explain(); draw(); } }, words))),
      colour === 'classes' ? largest().filter((place) => className(place)).map((place, at) => { const dot = h('i', { class: 'dot' }); dot.style.background = `rgb(${EIGHT[at].join(',')})`; return h('span', { class: 'key' }, dot, short(className(place))); }) : null,
      toolButton, h('button', { type: 'button', class: 'plain', 'aria-label': 'zoom in', onclick: () => zoom(1.4) }, '+'), h('button', { type: 'button', class: 'plain', 'aria-label': 'zoom out', onclick: () => zoom(1 / 1.4) }, '−'));
  }
  const note = h('p', { class: 'soft hint' }, 'Draw around points to choose them. ', key('⇧'), ' and drag moves the map, the wheel zooms. Near means alike; far distances mean little.');

  fill(view, legend, h('div', { class: 'plane' }, canvas, names, tip, wait), note, grid.element);
  grid.element.classList.add('low');
  grid.element.hidden = true;
  bar.serve(grid, { spread: 0 });
  grid.tell();
  explain();
  const watcher = new ResizeObserver(draw);
  watcher.observe(canvas);
  (async () => {
    if (!places) {
      const answer = await fetch('api/places');
      if (!answer.ok) return void fill(wait, 'The map cannot be laid out now.');
      places = Float32Array.from(new Uint16Array(await answer.arrayBuffer()), (value) => 0.03 + (value / 65535) * 0.94);
    }
    fill(wait);
    draw();
  })();
  const stops = [on('columns', () => { explain(); draw(); }), on('shown', draw)];
  return { focus: () => canvas.focus({ preventScroll: true }), close: () => { isOpen = false; watcher.disconnect(); grid.close(); bar.serve(null); stops.forEach((stop) => stop()); } };
}
