// @ts-check
// Elements from names, properties and children. Texts are only ever set as texts.

/** Make an element. `on…` are listeners, `class`, `role`, `aria-…` and `data-…` are attributes, all else properties. */
export function h(/** @type {string} */ tag, /** @type {Record<string, any>} */ props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class' || name === 'role' || name === 'for' || name === 'list' || name.includes('-')) element.setAttribute(name, value === true ? '' : String(value));
    else /** @type {any} */ (element)[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put children in place of what is there. */
export function fill(/** @type {Element} */ element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** A name that may be broken behind its separators, where the line is too short for it. */
export const breakable = (/** @type {string} */ name) => name.split(/(?<=[_/.:-])/).flatMap((part, at) => (at ? [h('wbr'), part] : [part]));

/** A key as it is printed on keyboards. */
export const key = (/** @type {string} */ name) => h('kbd', {}, name);

/** Whether letters typed now belong to a box. */
export function isTyping(/** @type {EventTarget | null} */ target) {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** Make of a function that draws one that may be called at every key: it draws once, before the next frame. */
export function onceAFrame(/** @type {() => void} */ draw) {
  let due = 0;
  return () => { due ||= requestAnimationFrame(() => { due = 0; draw(); }); };
}

/** Open a dialogue; it is gone when closed. */
export function dialog(/** @type {string} */ title, /** @type {any[]} */ body, /** @type {() => void} */ closed = () => {}) {
  const box = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-label': title }, h('h2', {}, title), ...body));
  box.addEventListener('close', () => { box.remove(); closed(); });
  byId('dialogs').append(box);
  box.showModal();
  return box;
}
