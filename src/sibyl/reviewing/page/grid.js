// @ts-check
// A grid of any number of items, of which only those in sight exist. The list holds the focus; the item that it is on is told by name.
import { caption, isPicture, small, soon, spoken } from './cell.js';
import { fill, h } from './dom.js';
import { changed, on, store } from './store.js';

let numbered = 0;

export class Grid {
  /** @param {{name: string, entered: (rows: number[], teach: boolean) => void, note?: (row: number) => string | null, hide?: boolean, size?: number}} options */
  constructor(options) {
    this.options = options;
    this.rows = /** @type {number[]} */ ([]);
    this.at = 0;
    this.anchor = 0;
    this.isSeen = true; // the item that the focus is on, or part of it
    this.selected = /** @type {Set<number>} */ (new Set());
    this.id = `grid-${++numbered}`;
    this.cells = new Map();
    this.sheet = h('div', { class: 'sheet', role: 'listbox', tabIndex: 0, id: this.id, 'aria-label': options.name, 'aria-multiselectable': 'true',
      onkeydown: (event) => this.pressed(event), onfocus: () => this.tell(), onpointerdown: (event) => this.pointed(event), ondblclick: () => this.enter(false) });
    this.element = h('div', { class: 'grid' }, this.sheet);
    this.element.addEventListener('scroll', () => this.draw(), { passive: true });
    this.watcher = new ResizeObserver(() => this.fit());
    this.watcher.observe(this.element);
    this.stops = [on('shown', () => this.redraw()), on('columns', () => this.redraw())];
  }

  close() {
    this.watcher.disconnect();
    for (const stop of this.stops) stop();
  }

  focus() { this.sheet.focus({ preventScroll: true }); }
  get row() { return this.rows[this.at] ?? -1; }
  /** What an action is about: the selection, or the item that the focus is on. */
  get chosen() { return this.selected.size ? this.rows.filter((row) => this.selected.has(row)) : this.row >= 0 ? [this.row] : []; }

  setRows(/** @type {number[]} */ rows, keep = false) {
    const was = this.row;
    this.rows = rows;
    this.place = null;
    const there = keep ? rows.indexOf(was) : -1;
    this.at = there >= 0 ? there : keep ? Math.max(0, Math.min(this.at, rows.length - 1)) : 0;
    this.anchor = this.at;
    const here = new Set(keep && this.selected.size ? rows : []);
    this.selected = new Set([...this.selected].filter((row) => here.has(row)));
    if (!keep) this.element.scrollTop = 0;
    this.layOut();
    this.tell();
  }

  layOut() {
    const text = !isPicture();
    const wide = this.element.clientWidth - 8;
    if (wide <= 0) return;
    const best = this.options.size ?? (text ? 250 : 138);
    const columns = Math.max(text ? 1 : 2, Math.floor(wide / best));
    this.columns = columns;
    this.wide = wide / columns;
    this.high = text ? 112 : this.wide + 26;
    this.sheet.style.height = `${Math.ceil(this.rows.length / columns) * this.high + 8}px`;
    this.redraw();
  }

  /** The room has changed, perhaps by the bar below: an item that was in sight stays there. */
  fit() {
    const wasSeen = this.isSeen;
    this.layOut();
    if (wasSeen && this.columns) { this.reveal(); this.draw(); }
  }

  redraw() {
    for (const cell of this.cells.values()) cell.remove();
    this.cells.clear();
    this.draw();
  }

  draw() {
    if (!this.columns) return;
    const top = this.element.scrollTop;
    const first = Math.max(0, Math.floor(top / this.high - 1) * this.columns);
    const last = Math.min(this.rows.length, Math.ceil((top + this.element.clientHeight) / this.high + 1) * this.columns);
    const wanted = new Set([this.at]);
    for (let place = first; place < last; place++) wanted.add(place);
    for (const [place, cell] of this.cells) if (!wanted.has(place)) { cell.remove(); this.cells.delete(place); }
    for (const place of wanted) if (!this.cells.has(place) && place < this.rows.length) this.put(place);
    const place = Math.floor(this.at / this.columns) * this.high - top;
    this.isSeen = place + this.high > 0 && place < this.element.clientHeight;
    this.mark();
  }

  put(/** @type {number} */ place) {
    const row = this.rows[place];
    const note = this.options.note?.(row);
    const cell = h('div', { class: 'cell', role: 'option', id: `${this.id}-${place}`, 'aria-setsize': this.rows.length, 'aria-posinset': place + 1,
      'aria-label': spoken(row, this.options.hide), 'data-row': row, 'data-status': store.status[row] },
    small(row), note ? h('span', { class: 'cap note' }, note) : caption(row, this.options.hide));
    cell.style.cssText = `left:${(place % this.columns) * this.wide}px;top:${Math.floor(place / this.columns) * this.high}px;width:${this.wide}px;height:${this.high}px`;
    if (!store.items.has(row)) soon(row, () => cell.setAttribute('aria-label', spoken(row, this.options.hide)));
    this.cells.set(place, cell);
    this.sheet.append(cell);
  }

  mark() {
    for (const [place, cell] of this.cells) {
      cell.setAttribute('aria-selected', String(this.selected.has(this.rows[place])));
      cell.classList.toggle('at', place === this.at);
    }
    if (this.rows.length) this.sheet.setAttribute('aria-activedescendant', `${this.id}-${this.at}`);
    else this.sheet.removeAttribute('aria-activedescendant');
  }

  /** Tell the item's panel and the bar. */
  tell() {
    store.focus = this.row;
    store.hideGuess = !!this.options.hide;
    changed('focus');
    changed('selection', this);
  }

  go(/** @type {number} */ place, /** @type {boolean} */ extend = false) {
    if (!this.rows.length) return;
    this.at = Math.max(0, Math.min(this.rows.length - 1, place));
    if (extend) this.stretch();
    else this.anchor = this.at;
    this.reveal();
    this.draw();
    this.tell();
  }

  stretch() {
    const [from, to] = this.anchor < this.at ? [this.anchor, this.at] : [this.at, this.anchor];
    this.selected = new Set(this.rows.slice(from, to + 1));
  }

  reveal() {
    const top = Math.floor(this.at / this.columns) * this.high;
    const view = this.element;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + this.high > view.scrollTop + view.clientHeight) view.scrollTop = top + this.high - view.clientHeight + 8;
  }

  /** Go on to the next item that nobody has labelled. */
  next() {
    let place = this.at;
    while (place < this.rows.length && store.status[this.rows[place]] !== 0) place++;
    this.selected.clear();
    this.go(place < this.rows.length ? place : this.at);
  }

  select(/** @type {number[]} */ rows) {
    this.selected = new Set(rows);
    this.draw();
    this.tell();
  }

  enter(/** @type {boolean} */ teach) { if (this.chosen.length) this.options.entered(this.chosen, teach); }

  pressed(/** @type {KeyboardEvent} */ event) {
    if (event.altKey || event.metaKey) return;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, PageDown: this.columns * 4, PageUp: -this.columns * 4 }[event.key];
    if (step !== undefined) {
      if (event.key === 'ArrowDown' && this.at + step >= this.rows.length && Math.floor(this.at / this.columns) < Math.floor((this.rows.length - 1) / this.columns)) this.go(this.rows.length - 1, event.shiftKey);
      else if (this.at + step >= 0 || Math.abs(step) === 1 || event.key === 'PageUp') this.go(this.at + step, event.shiftKey);
    } else if (event.key === 'Home' || event.key === 'End') this.go(event.key === 'Home' ? 0 : this.rows.length - 1, event.shiftKey);
    else if (event.key === ' ') { this.toggle(this.row); }
    else if (event.key === 'a' && event.ctrlKey) { this.select(this.rows); }
    else if (event.key === 'Escape' && this.selected.size) { this.select([]); }
    else if (event.key === 'Enter') this.enter(event.ctrlKey);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  toggle(/** @type {number} */ row) {
    if (!this.selected.delete(row)) this.selected.add(row);
    this.anchor = this.at;
    this.draw();
    this.tell();
  }

  pointed(/** @type {PointerEvent} */ event) {
    const cell = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest('.cell'));
    if (!cell || event.button) return;
    const row = Number(cell.dataset.row);
    const place = this.rows.indexOf(row);
    if (event.shiftKey) this.go(place, true);
    else if (event.ctrlKey || event.metaKey) { this.at = place; this.toggle(row); }
    else { this.selected.clear(); this.go(place); }
    if (event.shiftKey) event.preventDefault();
    this.focus();
  }
}
