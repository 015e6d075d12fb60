// @ts-check
// What a person does: shown at once, saved a moment later, and taken back if it could not be.
import { dialog, h } from './dom.js';
import { allSent, fetchColumns, fetchSession, post, Refused, send } from './net.js';
import { ASIDE, changed, classes, CONFIRMED, findClass, LEFT, NOTHING, pending, put, store, TAUGHT } from './store.js';
import { counted, told } from './words.js';

const KINDS = { teach: TAUGHT, confirm: CONFIRMED, aside: ASIDE, clear: LEFT };

export function say(/** @type {string} */ words) { changed('said', words); }

const newId = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Teach, confirm, set aside or clear items.
 * @param {'teach' | 'confirm' | 'aside' | 'clear'} kind
 * @param {number[]} rows
 * @param {string | null} label  the class; null agrees with each item's guess
 * @param {{asked?: boolean, audit?: boolean, spread?: number, quiet?: boolean}} more
 */
export async function act(kind, rows, label = null, more = {}) {
  if (!rows.length) return;
  const { quiet, ...fields } = more;
  const guess = rows.length === 1 ? store.label[rows[0]] : NOTHING;
  show(kind, rows, label);
  const what = label ?? (kind === 'aside' ? 'set aside' : kind === 'clear' ? 'label taken off' : 'as guessed');
  if (!quiet) say(rows.length === 1 ? `${what}` : `${counted(rows.length, 'item')}: ${what}`);
  changed('acted', { kind, rows, label, guess });
  const action = { id: newId(), saw: store.revision, kind, rows, ...fields, ...(label === null ? {} : { label }) };
  await settle(action);
}

/** Show an action before the server has it. */
function show(/** @type {string} */ kind, /** @type {number[]} */ rows, /** @type {string | null} */ label) {
  let place = NOTHING;
  if (label !== null) {
    place = classes().findIndex((one) => one.name === label);
    if (place < 0) place = classes().push({ name: label, taught: 0, confirmed: 0 }) - 1;
  }
  const { counts } = store.session;
  const names = ['left', 'taught', 'confirmed', 'aside'];
  for (const row of rows) {
    tally(row, -1);
    counts[names[store.status[row]]]--;
    const now = kind === 'aside' || kind === 'clear' ? NOTHING : place === NOTHING ? store.label[row] : place;
    put(row, KINDS[kind], now);
    pending.set(row, { status: KINDS[kind], label: now, seq: Infinity });
    counts[names[store.status[row]]]++;
    tally(row, 1);
  }
  changed('session');
  changed('shown');
}

function tally(/** @type {number} */ row, /** @type {number} */ step) {
  const one = classes()[store.label[row]];
  if (!one) return;
  if (store.status[row] === TAUGHT) one.taught += step;
  if (store.status[row] === CONFIRMED) one.confirmed += step;
}

async function settle(/** @type {any} */ action) {
  try {
    const answer = await send(action);
    store.revision = Math.max(store.revision, answer.revision);
    for (const row of action.rows) { const mark = pending.get(row); if (mark) mark.seq = answer.seq; }
    Object.assign(store.session, { counts: answer.counts, checked: answer.checked, can_undo: true });
    changed('session');
  } catch (error) {
    for (const row of action.rows) pending.delete(row);
    if (error instanceof Refused && error.conflict) askConflict(action, error.conflict);
    else say(/** @type {Error} */ (error).message);
    await Promise.all([fetchSession(), fetchColumns()]);
  }
}

/** Another tab, or another person, was there first. */
function askConflict(/** @type {any} */ action, /** @type {any[]} */ conflict) {
  const again = async () => {
    box.close();
    await fetchSession();
    await settle({ ...action, id: newId(), saw: store.revision });
    await fetchColumns();
  };
  const lines = conflict.slice(0, 8).map((one) => h('li', {}, `${one.name}: another tab or file says ${one.theirs}, you say ${one.yours || 'set aside'}`));
  const box = dialog('Labelled elsewhere in the meantime', [
    h('ul', {}, ...lines),
    conflict.length > 8 ? h('p', {}, `and ${conflict.length - 8} more`) : null,
    h('p', { class: 'row' },
      h('button', { class: 'strong', type: 'button', onclick: () => box.close() }, 'Keep theirs'),
      h('button', { class: 'plain', type: 'button', onclick: again }, 'Keep mine')),
  ]);
}

/** Take back the last action, or one of the history. */
export async function undo(/** @type {number | null} */ seq = null, redo = false) {
  try {
    await allSent(); // what is undone is the last thing done, not the last that has arrived
    const answer = await post(redo ? 'api/redo' : 'api/undo', { id: newId(), ...(seq === null ? {} : { seq }) });
    store.revision = answer.revision;
    pending.clear();
    if (answer.event) say(`${redo ? 'done again' : 'undone'}: ${told(answer.event)}`);
    await Promise.all([fetchSession(), fetchColumns()]);
    changed('undone', answer.event);
  } catch (error) {
    say(/** @type {Error} */ (error).message);
  }
}

export async function changeClasses(/** @type {any} */ change) {
  try {
    await post('api/classes', change);
    await Promise.all([fetchSession(), fetchColumns()]);
    return true;
  } catch (error) {
    say(/** @type {Error} */ (error).message);
    return false;
  }
}

/** The name as the class is written; the name itself for a new one. */
export const properName = (/** @type {string} */ typed) => findClass(typed) ?? typed.trim().replace(/\s+/g, ' ');
