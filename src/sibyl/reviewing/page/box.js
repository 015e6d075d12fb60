// @ts-check
// The box in which a class is named: what is typed finds classes by their beginning, then by any part; a new name makes a class.
import { h, fill } from './dom.js';
import { classes, findClass } from './store.js';

let numbered = 0;

export class ClassBox {
  /** @param {{label: string, chosen: (name: string, event: KeyboardEvent | null) => void, left: () => void}} options */
  constructor(options) {
    this.options = options;
    this.at = 0;
    this.names = /** @type {{name: string, isNew: boolean}[]} */ ([]);
    const id = `classes-${++numbered}`;
    this.list = h('ul', { id, role: 'listbox', class: 'choices', hidden: true, 'aria-label': 'Classes that fit' });
    this.input = /** @type {HTMLInputElement} */ (h('input', {
      type: 'text', role: 'combobox', autocomplete: 'off', spellcheck: false, maxLength: 200, placeholder: 'type a class',
      'aria-label': options.label, 'aria-expanded': 'false', 'aria-controls': id, 'aria-autocomplete': 'list',
      oninput: () => this.find(), onkeydown: (event) => this.pressed(event), onblur: () => setTimeout(() => this.hide(), 150),
      onfocus: () => { if (this.input.value) this.find(); },
    }));
    this.element = h('div', { class: 'box' }, this.input, this.list);
  }

  get isEmpty() { return !this.input.value; }

  clear() {
    this.input.value = '';
    this.hide();
  }

  hide() {
    this.list.hidden = true;
    this.input.setAttribute('aria-expanded', 'false');
    this.input.removeAttribute('aria-activedescendant');
  }

  find() {
    const typed = this.input.value.trim();
    if (!typed) return this.hide();
    const low = typed.toLocaleLowerCase();
    const names = classes().map((one) => one.name);
    const begin = names.filter((name) => name.toLocaleLowerCase().startsWith(low));
    const inside = names.filter((name) => !begin.includes(name) && name.toLocaleLowerCase().includes(low));
    const exact = findClass(typed);
    const fresh = exact ? [] : [{ name: typed.replace(/\s+/g, ' '), isNew: true }];
    const known = (/** @type {string[]} */ some) => some.map((name) => ({ name, isNew: false }));
    // What is typed whole goes first; what only lies inside of another name does not go before a new one.
    const first = exact ? [exact] : [];
    this.names = [...known(first), ...known(begin.filter((name) => name !== exact).slice(0, 7)), ...(begin.length ? [] : fresh),
      ...known(inside.filter((name) => name !== exact).slice(0, 5)), ...(begin.length ? fresh : [])];
    this.at = 0;
    this.show();
  }

  show() {
    fill(this.list, this.names.map(({ name, isNew }, place) => h('li', {
      role: 'option', id: `${this.list.id}-${place}`, 'aria-selected': String(place === this.at), dir: 'auto',
      onpointerdown: (event) => { event.preventDefault(); this.choose(place, null); },
    }, isNew ? `new class “${name}”` : name)));
    this.list.hidden = !this.names.length;
    this.input.setAttribute('aria-expanded', String(!this.list.hidden));
    this.input.setAttribute('aria-activedescendant', `${this.list.id}-${this.at}`);
  }

  choose(/** @type {number} */ place, /** @type {KeyboardEvent | null} */ event) {
    const chosen = this.names[place];
    if (!chosen) return;
    this.clear();
    this.options.chosen(chosen.name, event);
  }

  pressed(/** @type {KeyboardEvent} */ event) {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.names.length && !this.list.hidden) {
      this.at = (this.at + step + this.names.length) % this.names.length;
      this.show();
      event.preventDefault();
    } else if (event.key === 'Enter' && !this.isEmpty) {
      if (this.list.hidden) this.find();
      this.choose(this.at, event);
      event.preventDefault();
    } else if (event.key === 'Escape' || (event.key === 'Backspace' && this.isEmpty) || (event.key === 'Enter' && this.isEmpty)) {
      this.clear();
      this.options.left();
      event.preventDefault();
    } else if (step && this.isEmpty) {
      this.options.left();
    } else if (!['Tab', 'Shift'].includes(event.key)) {
      event.stopPropagation();
    }
    if (event.key !== 'Tab' && !(event.altKey || event.ctrlKey || event.metaKey)) event.stopPropagation();
  }
}
