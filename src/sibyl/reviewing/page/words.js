// @ts-check
// Numbers and events in words.

export const number = (/** @type {number} */ value) => value.toLocaleString('en');
/** As `sibyl.messages.percent`: never 100 % for what is less. */
export function percent(/** @type {number} */ share, digits = 0) {
  const text = (100 * share).toFixed(digits);
  return Number(text) === 100 && share < 1 - 1e-9 ? `> ${(100 - 10 ** -digits).toFixed(digits)} %` : `${text} %`;
}
export const counted = (/** @type {number} */ value, /** @type {string} */ one, many = one + 's') => `${number(value)} ${value === 1 ? one : many}`;

/** A cell of a table where there is little room: a decimal number of four digits, all else as it is. */
export function figure(/** @type {string} */ text) {
  if (!/^[-+]?\d*\.\d+(e[-+]?\d+)?$/i.test(text)) return text;
  const value = Number(text);
  return Math.abs(value) >= 1e4 && Math.abs(value) < 1e15 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
}

/** What the checks say of all guesses. */
export function headline(/** @type {any} */ session) {
  const { taught, confirmed, aside, left } = session.counts;
  const parts = [];
  if (!taught && !confirmed) parts.push(`${counted(session.n, 'item')} · nothing labelled yet`);
  else {
    parts.push(`${number(taught)} taught`);
    if (confirmed) parts.push(`${number(confirmed)} confirmed`);
    parts.push(`${number(left)} ${session.solved ? 'guessed' : 'left'}`);
    if (aside) parts.push(`${number(aside)} set aside`);
  }
  return parts.join(' · ');
}

/** The interval of the checks. */
export const between = (/** @type {any} */ checked) => `${(100 * checked.low).toFixed(0)} to ${percent(checked.high)}`;

export function trustLine(/** @type {any} */ checked) {
  if (checked.of < 5) return checked.of ? `${checked.of} checked so far: too few to say how right` : '';
  return `${between(checked)} right (${checked.right} of ${checked.of} checks)`;
}

/** One action of the history. */
export function told(/** @type {any} */ event) {
  const items = counted(event.n, 'item');
  switch (event.kind) {
    case 'teach': return event.n === 1 ? `taught ${event.label}` : `taught ${event.label}: ${items}`;
    case 'confirm': return `confirmed ${event.label}: ${items}`;
    case 'aside': return `set aside: ${items}`;
    case 'clear': return `label taken off: ${items}`;
    case 'import': return `${items} from ${event.from}`;
    case 'class': return `new class: ${event.names.slice(0, 3).join(', ')}${event.names.length > 3 ? ` and ${event.names.length - 3} more` : ''}`;
    case 'rename': return `${event.class} is now ${event.to}`;
    case 'merge': return `${event.class} is now part of ${event.to}`;
    case 'remove': return `class removed: ${event.class}`;
    case 'undo': return `undone: action ${event.of}`;
    default: return event.kind;
  }
}

/** Cells of a table's row, as pairs; a text as itself. */
export function cells(/** @type {string} */ text) {
  try { return Object.entries(JSON.parse(text)); } catch { return []; }
}
