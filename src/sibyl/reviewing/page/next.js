// @ts-check
// The queue: one item after the other, those whose label helps most; every fifth is a check, drawn at random, its guess not shown.
import { act, properName, say } from './act.js';
import { ClassBox } from './box.js';
import { isPicture, isSound, largeUrl, small } from './cell.js';
import { breakable, fill, h, key } from './dom.js';
import { enlarge, large, meter } from './item.js';
import { get, itemsOf, send } from './net.js';
import { changed, classes, className, labelOf, NOTHING, on, store } from './store.js';
import { percent } from './words.js';

const FEW = 5, KEEP = 3, EVERY = 5;
let checksOnly = false, sinceCheck = 0;
/** What is asked; it outlives the view, so that a look elsewhere loses nothing. */
let queue = /** @type {any[]} */ ([]);
const trail = /** @type {any[]} */ ([]);

export function onlyChecks(/** @type {boolean} */ yes) { checksOnly = yes; queue = []; }

export function open(/** @type {HTMLElement} */ view) {
  const card = h('div', { class: 'card', role: 'group', 'aria-label': 'The item that is asked', tabIndex: 0, onkeydown: pressed });
  const strip = h('div', { class: 'strip', 'aria-label': 'Next items' });
  const did = h('p', { class: 'did', 'aria-hidden': 'true' });
  const box = new ClassBox({ label: 'Class of this item', chosen: (name) => answer(properName(name)), left: () => card.focus() });
  let names = /** @type {string[]} */ ([]); // what digits mean now
  let filling = null;
  let isOpen = true;
  store.bigElsewhere = true;

  async function refill(/** @type {number} */ keep) {
    if (filling) return filling;
    filling = (async () => {
      const fresh = await get(`api/queue?n=14${checksOnly ? '&checks=1' : ''}`).catch(() => null);
      filling = null;
      if (!fresh) return;
      const kept = queue.filter((one) => store.status[one.row] === 0).slice(0, keep);
      const there = new Set(kept.map((one) => one.row));
      const answered = new Set(trail.slice(-20).map((one) => one.row));
      const left = fresh.filter((one) => !there.has(one.row) && store.status[one.row] === 0);
      // A queue that was on its way, or columns that were, may not know the last answers yet: those items come again only if none is left.
      const unanswered = left.filter((one) => !answered.has(one.row));
      const rest = unanswered.length || kept.length ? unanswered : left;
      // Every fifth is a check, counted from the last one that was answered, whatever is kept of the old order.
      const checks = rest.filter((one) => one.audit), others = rest.filter((one) => !one.audit);
      let since = sinceCheck;
      for (const one of kept) since = one.audit ? 0 : since + 1;
      queue = [...kept];
      while (queue.length < 14 && (checks.length || others.length)) {
        const one = !checksOnly && others.length && (since < EVERY - 1 || !checks.length) ? others.shift() : checks.shift() ?? others.shift();
        since = one.audit ? 0 : since + 1;
        queue.push(one);
      }
      if (!isOpen) return;
      await draw();
    })();
    return filling;
  }

  /** The item that is asked, if the card shows it: a key pressed before it is drawn was meant for the one before. */
  const shown = () => (queue[0] && card.dataset.row === String(queue[0].row) ? queue[0] : null);

  async function draw() {
    const one = queue[0];
    if (!one) {
      fill(card, h('p', { class: 'big' }, store.session.counts.left ? 'One moment…' : 'Every item has a label.'), h('p', {}, h('button', { type: 'button', class: 'strong', onclick: () => changed('open-view', 'trust') }, 'How right is it?')));
      fill(strip);
      return;
    }
    const [item] = await itemsOf([one.row]);
    if (!isOpen || !item || queue[0] !== one) return;
    store.focus = one.row;
    store.hideGuess = one.audit;
    changed('focus');
    const few = classes().length <= 10;
    const likely = item.candidates.slice(0, 9);
    if (few) names = classes().map((other) => other.name);
    else names = likely.map(([place]) => className(place));
    if (one.audit && !few) names.sort((a, b) => a.localeCompare(b));
    const shares = new Map(likely.map(([place, chance]) => [className(place), chance]));
    const order = few && !one.audit ? [...names].sort((a, b) => (shares.get(b) ?? 0) - (shares.get(a) ?? 0)) : names;
    const options = order.map((name, place) => h('li', {}, h('button', { type: 'button', class: `option ${!one.audit && place === 0 && shares.size ? 'first' : ''}`, onclick: () => answer(name), 'aria-label': one.audit ? name : `${name}, ${percent(shares.get(name) ?? 0)}` },
      !one.audit && place === 0 && shares.size ? key('⏎') : key(String((names.indexOf(name) + 1) % 10)),
      h('span', { class: 'name', dir: 'auto' }, breakable(name)),
      one.audit ? null : h('span', { class: 'sure' }, percent(shares.get(name) ?? 0)), one.audit ? null : meter(shares.get(name) ?? 0))));
    fill(card,
      h('div', { class: 'shown' }, large(item)),
      h('div', { class: 'ask' },
        h('p', { class: `why ${one.audit ? 'check' : ''}` }, one.audit ? h('b', {}, 'A check. ') : null, one.audit ? 'Drawn at random; what is it? Its guess is not shown.' : one.why),
        options.length ? h('ol', { class: 'options' }, options) : null,
        box.element,
        h('p', { class: 'row tools' },
          h('button', { type: 'button', class: 'plain', onclick: skip }, key('→'), ' skip'),
          h('button', { type: 'button', class: 'plain', onclick: aside }, key('Del'), ' set aside'),
          h('button', { type: 'button', class: 'plain', onclick: () => enlarge(one.row) }, key('.'), isSound() ? ' play' : ' larger'))));
    card.setAttribute('aria-label', one.audit ? `A check: ${item.name}. What is it?` : shares.size ? `${item.name}: ${order[0]}, ${percent(shares.get(order[0]) ?? 0)}? ${one.why}` : `${item.name}: what is it?`);
    card.dataset.row = String(one.row);
    card.dataset.audit = String(one.audit);
    fill(strip, h('span', { class: 'soft' }, checksOnly ? 'checks' : 'next'), queue.slice(1, 12).map((other) => h('span', { class: 'tile' }, small(other.row))));
    ahead();
  }

  /** Fetch what comes next before it is needed. */
  function ahead() {
    const rows = queue.slice(1, 6).map((one) => one.row);
    itemsOf(rows).catch(() => {});
    if (isPicture()) for (const row of rows) new Image().src = largeUrl(row);
  }

  async function go() {
    queue.shift();
    if (queue.length) await draw();
    if (queue.length <= FEW) await refill(queue.length);
    else if (!queue.length) await draw();
  }

  function remember(/** @type {any} */ one, /** @type {string} */ words) {
    trail.push(one);
    fill(did, words);
  }

  function answer(/** @type {string} */ name) {
    const one = shown();
    if (!one || !name) return;
    const was = labelOf(one.row);
    sinceCheck = one.audit ? 0 : sinceCheck + 1;
    box.clear();
    remember(one, one.audit && was ? (was === name ? `${name}: the guess was right` : `${name}: the guess was ${was}`) : `${name}`);
    act('teach', [one.row], name, { asked: true, ...(one.audit ? { audit: true } : {}) });
    card.focus({ preventScroll: true });
    go();
  }

  function skip() {
    const one = shown();
    if (!one) return;
    send({ id: '', kind: 'skip', saw: store.revision, rows: [one.row] }).catch(() => {});
    remember(one, 'skipped for now');
    go();
  }

  function aside() {
    const one = shown();
    if (!one) return;
    act('aside', [one.row], null, { asked: true });
    remember(one, 'set aside');
    go();
  }

  function back() {
    const one = trail.pop();
    if (!one) return say('this is the first');
    queue.unshift(one);
    draw();
  }

  function pressed(/** @type {KeyboardEvent} */ event) {
    if (event.target !== card && event.key === 'Enter') return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const one = queue[0];
    if (event.key === 'Enter') {
      if (one?.audit) say('this is a check: press a digit or type what it is');
      else if (one && store.label[one.row] !== NOTHING && store.status[one.row] === 0) answer(labelOf(one.row));
      else say('nothing is guessed yet: type a class');
    } else if (/^[0-9]$/.test(event.key) && !store.noDigits) answer(names[(Number(event.key) + 9) % 10]);
    else if (event.key === 'ArrowRight' || event.key === 'ArrowDown' || event.key === ' ') skip();
    else if (event.key === 'ArrowLeft' || event.key === 'ArrowUp') back();
    else if (event.key === 'Delete') aside();
    else if (event.key === '.') enlarge(one?.row ?? -1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  let touch = /** @type {number | null} */ (null);
  card.addEventListener('touchstart', (event) => { touch = event.touches[0].clientX; }, { passive: true });
  card.addEventListener('touchend', (event) => {
    const moved = touch === null ? 0 : event.changedTouches[0].clientX - touch;
    touch = null;
    const one = queue[0];
    if (moved < -90) skip();
    else if (moved > 90 && one && !one.audit && store.label[one.row] !== NOTHING) answer(labelOf(one.row));
  });

  fill(view, card, did, strip);
  queue = queue.filter((one) => store.status[one.row] === 0);
  draw();
  if (queue.length <= FEW) refill(queue.length);
  const stops = [
    on('columns', async () => { await refill(KEEP); await draw(); }),
    on('undone', (event) => {
      const [row] = event?.rows ?? [];
      if (event?.n === 1 && store.status[row] === 0) {
        const place = trail.findIndex((one) => one.row === row);
        const one = place >= 0 ? trail.splice(place, 1)[0] : { row, audit: false, why: 'taken back' };
        queue = [one, ...queue.filter((other) => other.row !== row)];
        draw();
      }
    }),
    on('moved', (words) => { fill(did, [...did.childNodes].slice(0, 1), words ? ` · ${words}` : ''); }),
  ];
  return {
    focus: () => card.focus({ preventScroll: true }),
    type: () => box.input.focus(),
    close: () => { isOpen = false; store.bigElsewhere = false; checksOnly = false; stops.forEach((stop) => stop()); },
  };
}
