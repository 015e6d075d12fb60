// @ts-check
// Everything that was done, the newest first; any of it can be undone.
import { undo } from './act.js';
import { small } from './cell.js';
import { fill, h } from './dom.js';
import { get } from './net.js';
import { changed, on, store } from './store.js';
import { told } from './words.js';

export function open(/** @type {HTMLElement} */ view) {
  const list = h('ol', { class: 'history', tabIndex: -1, 'aria-label': 'What was done, the newest first' });
  const more = h('button', { type: 'button', class: 'plain', onclick: () => add(last) }, 'earlier');
  const page = h('div', { class: 'page' }, h('h2', {}, 'History'), h('p', { class: 'soft' }, 'Every action is on the disk. Undo any of them; an undo can be undone too.'), list, more);
  let last = /** @type {number | null} */ (null);
  let isOpen = true;
  fill(view, page);
  store.focus = -1;
  changed('focus');

  async function add(/** @type {number | null} */ before) {
    const events = await get(`api/history${before ? `?before=${before}` : ''}`).catch(() => []);
    if (!isOpen) return;
    if (!before) list.replaceChildren();
    list.append(...events.map(line));
    last = events.length ? events[events.length - 1].seq : null;
    more.hidden = events.length < 60;
    if (!list.children.length) list.append(h('li', { class: 'soft' }, 'Nothing was done yet.'));
  }

  function line(/** @type {any} */ event) {
    const at = new Date(event.at);
    const wrong = event.seen && event.label && event.seen !== event.label ? ` (guessed: ${event.seen})` : '';
    const notes = [event.audit ? 'a check' : '', event.later ? `${event.later} labelled again later` : '', event.undone ? 'undone' : ''].filter(Boolean);
    return h('li', { class: event.undone ? 'gone' : '' },
      h('time', { dateTime: event.at, title: at.toLocaleString() }, at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })),
      h('span', { class: 'minis' }, event.rows.slice(0, 4).map((row) => small(row))),
      h('span', { class: 'what', dir: 'auto' }, told(event), wrong, notes.length ? h('i', {}, ` · ${notes.join(' · ')}`) : null),
      event.undone ? null : h('button', { type: 'button', class: 'plain', 'aria-label': `undo: ${told(event)}`, onclick: () => undo(event.seq) }, event.kind === 'undo' ? 'redo' : 'undo'));
  }
  add(null);
  const stops = [on('undone', () => add(null)), on('settled', () => add(null))];
  return { focus: () => (/** @type {HTMLElement | null} */ (list.querySelector('button')) ?? list).focus({ preventScroll: true }), close: () => { isOpen = false; stops.forEach((stop) => stop()); } };
}
