// @ts-check
// All that the page knows. Whoever shows some of it subscribes; whoever changes it says `changed`.

export const NOTHING = 65535;
export const LEFT = 0, TAUGHT = 1, CONFIRMED = 2, ASIDE = 3;

/** @type {any} */
export const store = {
  session: null, // of api/session
  n: 0,
  revision: 0, // of the journal
  solved: 0, // the revision that the guesses know
  solving: false,
  label: new Uint16Array(), runner: new Uint16Array(), alone: new Uint16Array(), before: new Uint16Array(),
  status: new Uint8Array(), sure: new Uint8Array(), margin: new Uint8Array(), outlier: new Uint8Array(),
  items: new Map(), // row → what api/items told, of these guesses
  focus: -1, // row that the item's panel shows
  hideGuess: false, // of that row: it is a check
};

const listeners = new Map();

/** Be called when something of that name changes: session, columns, focus. */
export function on(/** @type {string} */ name, /** @type {(detail?: any) => void} */ call) {
  const all = listeners.get(name) ?? new Set();
  listeners.set(name, all);
  all.add(call);
  return () => all.delete(call);
}

export function changed(/** @type {string} */ name, /** @type {any} */ detail = undefined) {
  for (const call of [...(listeners.get(name) ?? [])]) call(detail);
}

/** Take the columns apart; see columns.py. */
export function takeColumns(/** @type {ArrayBuffer} */ buffer) {
  const head = new DataView(buffer);
  const n = head.getUint32(8, true);
  let at = 20;
  for (const name of ['label', 'runner', 'alone', 'before']) {
    store[name] = new Uint16Array(buffer.slice(at, at + 2 * n));
    at += 2 * n;
  }
  for (const name of ['status', 'sure', 'margin', 'outlier']) {
    store[name] = new Uint8Array(buffer.slice(at, at + n));
    at += n;
  }
  store.n = n;
  store.solved = head.getUint32(16, true);
  // What was done since the server put the columns together is shown all the same.
  const knows = head.getUint32(12, true);
  for (const [row, mark] of pending) {
    if (mark.seq <= knows) pending.delete(row);
    else put(row, mark.status, mark.label);
  }
}

/** Row → what was done with it and is perhaps not in the columns yet. */
export const pending = /** @type {Map<number, {status: number, label: number, seq: number}>} */ (new Map());

/** Put a person's mark on a row. */
export function put(/** @type {number} */ row, /** @type {number} */ status, /** @type {number} */ label) {
  store.status[row] = status;
  store.label[row] = label;
  store.sure[row] = 255;
  store.before[row] = NOTHING;
}

export const classes = () => store.session?.classes ?? [];
export const className = (/** @type {number} */ place) => classes()[place]?.name ?? '';

let common = '', commonOf = '';
/** A class's name where there is little room: what all names begin with, up to a separator, is left out. */
export function short(/** @type {string} */ name) {
  const all = classes();
  const state = `${all.length} ${all[0]?.name} ${all[all.length - 1]?.name}`;
  if (state !== commonOf) {
    commonOf = state;
    common = all.length > 2 ? all[0].name : '';
    for (const one of all) while (common && !one.name.startsWith(common)) common = common.slice(0, -1);
    common = common.slice(0, common.search(/[^ _/.:-]*$/));
    if (common.length < 6 || all.some((one) => one.name.length === common.length)) common = '';
  }
  return common && name.startsWith(common) ? `…${name.slice(common.length)}` : name;
}
export const labelOf = (/** @type {number} */ row) => className(store.label[row]);
export const sureOf = (/** @type {number} */ row) => store.sure[row] / 255;

/** The class with that name, however it is written large or small. */
export function findClass(/** @type {string} */ name) {
  const wanted = name.trim().toLocaleLowerCase();
  const all = classes().map((one) => one.name);
  return all.find((one) => one === name.trim()) ?? all.find((one) => one.toLocaleLowerCase() === wanted) ?? null;
}

/** Rows that a test holds for, in the order of a score, the highest first. */
export function rowsWhere(/** @type {(row: number) => boolean} */ test, /** @type {(row: number) => number} */ score) {
  const rows = [];
  for (let row = 0; row < store.n; row++) if (test(row)) rows.push(row);
  return score ? rows.sort((a, b) => score(b) - score(a) || a - b) : rows;
}

/** How many items each class is guessed to have. */
export function guessed() {
  const counts = new Uint32Array(classes().length);
  for (let row = 0; row < store.n; row++) if (store.status[row] === LEFT && store.label[row] !== NOTHING) counts[store.label[row]]++;
  return counts;
}
