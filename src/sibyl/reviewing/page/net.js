// @ts-check
// To the server and back. Actions that were not acknowledged are kept and sent again.
import { changed, store, takeColumns } from './store.js';

export class Refused extends Error {
  constructor(/** @type {string} */ words, /** @type {any} */ conflict = null) {
    super(words);
    this.conflict = conflict;
  }
}

const UNSENT = 'sibyl-unsent';
/** @type {any[]} */
let unsent = JSON.parse(sessionStorage.getItem(UNSENT) ?? '[]');
let sending = Promise.resolve();
let lost = false;

function keep() {
  try { sessionStorage.setItem(UNSENT, JSON.stringify(unsent)); } catch { /* a private window may refuse: they are in memory */ }
}

function connected(/** @type {boolean} */ yes) {
  if (lost === !yes) return;
  lost = !yes;
  changed('connection', { lost, waiting: unsent.length });
}

async function asked(/** @type {string} */ path, /** @type {any} */ body) {
  const options = body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json', 'x-sibyl': '1' }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  connected(true);
  if (answer.ok) return answer;
  if (answer.status === 401 || answer.status >= 500) throw new Error('the server is not ready, or of another start: open the address that the command printed');
  let told = {};
  try { told = await answer.json(); } catch { /* no words */ }
  throw new Refused(/** @type {any} */ (told).error ?? `the server answers ${answer.status}`, /** @type {any} */ (told).conflict);
}

export const get = async (/** @type {string} */ path) => (await asked(path, undefined)).json();
export const post = async (/** @type {string} */ path, /** @type {any} */ body) => (await asked(path, body)).json();
const pause = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms));

/** Send an action, one after the other, and again until the server has it. */
export function send(/** @type {any} */ action) {
  unsent.push(action);
  keep();
  changed('unsent', unsent.length);
  const done = sending.then(() => insist(action));
  sending = done.then(() => {}, () => {});
  return done;
}

/** Wait until the server has whatever was done so far. */
export const allSent = () => sending;

async function insist(/** @type {any} */ action) {
  for (let tries = 0; ; tries++) {
    try {
      const answer = await post('api/actions', action);
      settled(action);
      return answer;
    } catch (error) {
      if (error instanceof Refused) {
        settled(action);
        throw error;
      }
      connected(false);
      changed('connection', { lost: true, waiting: unsent.length });
      await pause(Math.min(500 * 2 ** tries, 5000));
    }
  }
}

function settled(/** @type {any} */ action) {
  unsent = unsent.filter((one) => one.id !== action.id);
  keep();
  changed('unsent', unsent.length);
}

/** Send what an earlier page could not. */
export async function sendUnsent() {
  for (const action of [...unsent]) {
    try { await insist(action); } catch (error) { changed('said', /** @type {Error} */ (error).message); }
  }
}

export async function fetchSession() {
  const session = await get('api/session');
  if (!session.ready && store.session?.ready) return store.session; // the server was started again: what the page knows holds meanwhile
  store.session = session;
  store.revision = session.revision;
  store.solving = !!session.solving;
  changed('session');
  return session;
}

let since = 'last';
let fetching = null;
let again = false;

/** Fetch the columns; asked for while they come, they are fetched once more. */
export function fetchColumns(/** @type {string} */ from = since) {
  since = from;
  if (fetching) {
    again = true;
    return fetching;
  }
  fetching = (async () => {
    try {
      do {
        again = false;
        const answer = await asked(`api/columns?since=${since}`, undefined);
        takeColumns(await answer.arrayBuffer());
      } while (again);
    } finally {
      fetching = null; // a server that was away must not be the last that was asked
    }
    store.items.clear();
    changed('columns');
  })();
  return fetching;
}

/** What is told of some items; fetched once for each solve. */
export async function itemsOf(/** @type {number[]} */ rows) {
  const missing = rows.filter((row) => !store.items.has(row)).slice(0, 200);
  if (missing.length) for (const item of await get(`api/items?rows=${missing.join(',')}`)) store.items.set(item.row, item);
  return rows.map((row) => store.items.get(row)).filter(Boolean);
}

/** Listen to what the server tells. */
export function listen(/** @type {(message: any) => void} */ told) {
  const stream = new EventSource('api/events');
  stream.onmessage = (event) => told(JSON.parse(event.data));
  stream.onopen = () => { if (lost) told({ event: 'back' }); connected(true); };
  stream.onerror = () => connected(false);
}
