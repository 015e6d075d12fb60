// @ts-check
// The page as a whole: the header, the views, the keys that work everywhere, and what the server tells.
import { say, undo } from './act.js';
import * as bar from './bar.js';
import * as classList from './classes.js';
import { byId, fill, h, isTyping, onceAFrame } from './dom.js';
import { finish } from './finish.js';
import { help } from './help.js';
import * as history from './history.js';
import * as item from './item.js';
import { fetchHeaps, hasChanged, heapCount, openChanged, openClass, openNew, openSearch, seekSimilar } from './lists.js';
import * as map from './map.js';
import { fetchColumns, fetchSession, itemsOf, listen, sendUnsent } from './net.js';
import * as next from './next.js';
import { changed, classes, className, NOTHING, on, store } from './store.js';
import * as start from './start.js';
import * as trust from './trust.js';
import { counted, headline, number, percent, trustLine } from './words.js';

const VIEWS = [
  { id: 'start', title: 'Start', open: start.open, count: () => (store.session.ready ? start.left() : 0) },
  { id: 'next', title: 'Next', open: next.open },
  { id: 'class', title: 'Class', open: openClass },
  { id: 'changed', title: 'Changed', open: openChanged, count: () => { let n = 0; for (let row = 0; row < store.n; row++) n += hasChanged(row) ? 1 : 0; return n; } },
  { id: 'new', title: 'New?', open: openNew, count: heapCount },
  { id: 'map', title: 'Map', open: map.open },
  { id: 'search', title: 'Search', open: openSearch },
  { id: 'trust', title: 'Trust', open: trust.open },
  { id: 'history', title: 'History', open: history.open },
];
/** @type {any} */
let view = null;
let isLost = false, unsent = 0, waitingSince = 0;

function openView(/** @type {string} */ id, focus = true) {
  const wanted = VIEWS.find((one) => one.id === id);
  if (!wanted || !store.session?.ready) return;
  view?.close();
  store.view = id;
  document.body.dataset.view = id;
  byId('view').replaceChildren();
  byId('view').setAttribute('aria-labelledby', `tab-${id}`);
  view = wanted.open(byId('view'));
  tabs();
  changed('view');
  if (focus) view.focus();
}

function tabs() {
  const row = byId('tabs');
  if (!row.children.length) {
    fill(row, VIEWS.map((one, place) => h('button', { type: 'button', role: 'tab', id: `tab-${one.id}`, 'aria-controls': 'view', title: `Alt+${place + 1}`, onclick: () => openView(one.id), onkeydown: (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const other = VIEWS[(place + step + VIEWS.length) % VIEWS.length];
      openView(other.id, false);
      byId(`tab-${other.id}`).focus();
      event.preventDefault();
      event.stopPropagation();
    } }, one.title, h('span', { class: 'n' }))));
  }
  for (const one of VIEWS) {
    const tab = byId(`tab-${one.id}`);
    const isOn = one.id === store.view;
    tab.setAttribute('aria-selected', String(isOn));
    tab.tabIndex = isOn ? 0 : -1;
    if (isOn) tab.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    const n = one.count?.();
    /** @type {HTMLElement} */ (tab.querySelector('.n')).textContent = n ? ` ${number(n)}` : '';
  }
}

function header() {
  const { session } = store;
  if (!session) return;
  byId('title').textContent = `· ${session.title}`;
  document.title = `${session.title} · Sibyl`;
  if (!session.ready) return;
  const trusted = trustLine(session.checked);
  fill(byId('headline'), headline(session), trusted ? ' · ' : '', trusted ? h('b', {}, trusted) : null);
  /** @type {HTMLButtonElement} */ (byId('undo')).disabled = !session.can_undo;
  chip();
  banner();
}

function chip() {
  const { session } = store;
  const saved = unsent ? `${unsent} to save` : 'saved ✓';
  const learning = store.solving ? 'learning…' : store.solved ? `learned ✓${session.seconds ? ` ${session.seconds.toFixed(1)} s` : ''}` : session.counts?.taught ? 'learns from two classes on' : '';
  byId('chip').textContent = [saved, learning].filter(Boolean).join(' · ');
  document.body.classList.toggle('stale', store.solving && performance.now() - waitingSince > 5000);
}

function banner() {
  const place = byId('banner');
  const words = isLost ? `Not connected to the server. ${unsent ? `${counted(unsent, 'label')} kept here, and sent when it is back. ` : ''}Start it again with the same command.` : store.session?.trouble ?? '';
  place.hidden = !words;
  place.className = isLost ? 'lost' : '';
  if (place.textContent !== words) place.textContent = words;
}

let saying = 0;
on('said', (words) => {
  const status = byId('status');
  status.textContent = words;
  status.classList.add('on');
  clearTimeout(saying);
  saying = setTimeout(() => status.classList.remove('on'), 4000);
});

/** Before the pile is open. */
function opening() {
  const { stage, trouble } = store.session;
  const share = stage.total ? stage.done / stage.total : 0;
  const bar_ = h('progress', stage.total ? { max: stage.total, value: stage.done, 'aria-label': stage.stage } : { 'aria-label': 'starting' });
  fill(byId('view'), h('div', { class: 'page opening' }, h('h2', {}, trouble ? 'It cannot be opened' : 'Opening the pile'),
    trouble ? h('p', { class: 'bad' }, trouble) : [h('p', {}, stage.total ? `${stage.stage}: ${number(stage.done)} of ${number(stage.total)} (${percent(share)})` : 'Loading the libraries and finding the items…'), bar_,
      h('p', { class: 'soft' }, 'Features are kept: the next time this takes seconds.')]));
}

async function ready() {
  await Promise.all([fetchSession(), fetchColumns('last')]);
  document.body.classList.add('ready');
  const taught = store.session.counts.taught + store.session.counts.confirmed;
  openView(start.isDone() || taught >= 24 ? 'next' : 'start');
  fetchHeaps();
  await sendUnsent();
}

async function toldBy(/** @type {any} */ message) {
  if (message.event === 'back') { // the server was away: whatever it is now, ask
    await fetchSession();
    if (store.session.ready) await fetchColumns().catch(() => {}); // still opening: it says when it is ready
  } else if (message.event === 'progress' && !store.session.ready) {
    store.session.stage = message;
    opening();
  } else if (message.event === 'ready') await (document.body.classList.contains('ready') ? Promise.all([fetchSession(), fetchColumns()]) : ready());
  else if (message.event === 'trouble') {
    store.session.trouble = message.words;
    if (store.session.ready) banner(); else opening();
  } else if (message.event === 'solving') {
    if (!store.solving) waitingSince = performance.now();
    store.solving = true;
    chip();
  } else if (message.event === 'solved') {
    store.solving = message.solving;
    store.session.trouble = '';
    store.session.seconds = message.seconds;
    await Promise.all([fetchColumns(), message.revision > 0 ? fetchSession() : null]);
    changed('moved', message.share === null ? '' : `${counted(message.moved, 'guess', 'guesses')} followed`);
    if (message.moved) say(`${counted(message.moved, 'guess', 'guesses')} changed`);
    changed('settled');
    if (store.view === 'new' || store.n < 30000) fetchHeaps();
  } else if (message.event === 'acted') {
    if (message.seq > store.revision + 1 || message.seq > store.revision) soonSession();
  } else if (message.event === 'outside') {
    say(`${counted(message.items, 'label')} came from a file of corrections`);
    await Promise.all([fetchSession(), fetchColumns()]);
  }
}

let later = 0;
/** Another tab did something, or this one: what it was shows a moment later. */
function soonSession() {
  clearTimeout(later);
  later = setTimeout(async () => {
    if (unsent) return soonSession();
    const before = store.session.counts;
    await fetchSession();
    const now = store.session.counts;
    if (['taught', 'confirmed', 'aside'].some((name) => before[name] !== now[name])) await fetchColumns();
    changed('settled');
  }, 300);
}

document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented || document.querySelector('dialog[open]') || !store.session?.ready) return;
  const typing = isTyping(event.target);
  if (event.altKey && /^[1-9]$/.test(event.key)) { openView(VIEWS[Number(event.key) - 1]?.id); return event.preventDefault(); }
  if (event.ctrlKey || event.metaKey) {
    if (event.key === 'z' || event.key === 'Z') { if (typing) return; undo(null, event.shiftKey); event.preventDefault(); }
    if (event.key === 'e') { finish(); event.preventDefault(); }
    return;
  }
  if (typing || event.altKey) return;
  if (event.key === 'Backspace') undo();
  else if (event.key === '/') openView('search');
  else if (event.key === '~') { const rows = bar.grid?.chosen ?? (store.focus >= 0 ? [store.focus] : []); if (rows.length) changed('similar', rows); }
  else if (event.key === '?') help();
  else if (event.key === 'Escape') view?.escape?.();
  else if (!byId('work').contains(/** @type {Node} */ (event.target)) && event.target !== document.body) return;
  else if (event.key === 'Delete' && bar.grid) bar.aside();
  else if (event.key === '.' && store.focus >= 0) item.enlarge(store.focus);
  else if (/^[0-9]$/.test(event.key) && bar.grid && !store.noDigits) byDigit(Number(event.key));
  else if (event.key.length === 1 && event.key !== ' ' && !event.isComposing) { // a letter begins the name of a class
    if (view?.type) view.type();
    else if (bar.grid) bar.typing();
    return; // the letter itself goes into the box that has the focus now
  } else return;
  event.preventDefault();
});

/** In a grid: the class with that digit, or the n-th likeliest of the item. */
async function byDigit(/** @type {number} */ digit) {
  const place = (digit + 9) % 10;
  if (classes().length <= 10) { if (classes()[place]) bar.label(classes()[place].name, false); return; }
  const [told] = await itemsOf([bar.grid.row]);
  const candidate = told?.candidates[place];
  if (candidate) bar.label(className(candidate[0]), false);
}

const counts = onceAFrame(() => { if (store.session.ready && store.view) tabs(); });
for (const name of ['session', 'columns', 'heaps', 'shown']) on(name, counts);
for (const name of ['session', 'columns']) on(name, header);
on('unsent', (n) => { unsent = n; if (store.session) chip(); });
on('connection', ({ lost, waiting }) => { isLost = lost; unsent = waiting; banner(); });
on('open-view', (id) => openView(id));
on('open-class', (name) => { store.viewClass = name; openView('class'); });
on('similar', (rows) => { seekSimilar(rows); openView('search'); });
on('finish', finish);

byId('undo').addEventListener('click', () => undo());
byId('finish').addEventListener('click', finish);
byId('help').addEventListener('click', help);
byId('showclasses').addEventListener('click', () => document.body.classList.toggle('classes-open'));
window.addEventListener('beforeunload', (event) => { if (unsent) event.preventDefault(); });
setInterval(() => { if (store.session?.ready) chip(); }, 2000);

store.noDigits = !!localStorage.getItem('sibyl-no-digits');
bar.start();
item.start();
classList.start();
await fetchSession();
listen(toldBy);
if (store.session.ready) await ready();
else opening();
