// @ts-check
// The end: what is written, and for which other tools.
import { say } from './act.js';
import { dialog, fill, h, key } from './dom.js';
import { post } from './net.js';
import { store } from './store.js';
import { number, trustLine } from './words.js';

const FORMATS = [
  ['folders', 'a folder for each class, with copies', ['image', 'audio', 'text']], ['links', 'a folder for each class, with links', ['image', 'audio', 'text']],
  ['label-studio', 'Label Studio', ['image', 'audio', 'text']], ['fiftyone', 'FiftyOne', ['image']], ['cleanlab', 'cleanlab', null],
  ['datasets', 'Hugging Face datasets', null], ['onnx', 'the classifier, as ONNX', null],
];

export function finish() {
  const { counts, checked, out, modality } = store.session;
  const boxes = FORMATS.filter(([, , kinds]) => !kinds || kinds.includes(modality)).map(([name, words]) => [name, h('label', {}, h('input', { type: 'checkbox', value: name }), ` ${words}`)]);
  const told = h('div', { role: 'status' });
  const go = /** @type {HTMLButtonElement} */ (h('button', { type: 'button', class: 'strong', onclick: write }, 'Write the labels'));
  const box = dialog('Finish', [
    h('p', {}, `${number(counts.taught)} items are taught, ${number(counts.confirmed)} confirmed, ${number(counts.left)} guessed${counts.aside ? `, ${number(counts.aside)} set aside` : ''}. ${trustLine(checked)}`),
    h('p', {}, 'Writes labels.csv, report.html and the run, as sibyl label does, into ', h('b', {}, out), '.'),
    h('fieldset', {}, h('legend', {}, 'And for other tools'), boxes.map(([, label]) => label)),
    h('p', { class: 'row' }, go, h('button', { type: 'button', class: 'plain', onclick: () => box.close() }, key('Esc'), ' close')), told]);

  async function write() {
    go.disabled = true;
    fill(told, 'Writing: a moment…');
    const formats = boxes.map(([, label]) => /** @type {HTMLInputElement} */ (label.querySelector('input'))).filter((input) => input.checked).map((input) => input.value);
    try {
      const { written } = await post('api/finish', { formats });
      fill(told, h('p', {}, 'Written:'), h('ul', {}, written.map((path) => h('li', { dir: 'auto' }, path))), h('p', { class: 'soft' }, 'You may go on labelling, and write again.'));
      say('the labels are written');
    } catch (error) {
      fill(told, h('p', { class: 'bad' }, /** @type {Error} */ (error).message));
    }
    go.disabled = false;
  }
  go.focus();
}
