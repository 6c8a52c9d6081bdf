import { append, button, type Child, data, h, icon, replace } from './dom.js';

const fileInput = (onFile: (file: File) => void): HTMLInputElement => {
  const input = h('input', {
    type: 'file',
    class: 'hidden',
    tabindex: -1,
    'aria-label': 'A bundle',
    accept: '.zip',
  });
  input.addEventListener('change', () => {
    const file = input.files?.[0];
    input.value = '';
    if (file !== undefined) onFile(file);
  });
  return input;
};

/** A button that asks for a bundle; the file stays in the page. */
export function chooseFile(label: Child, onFile: (file: File) => void, primary = false): HTMLElement {
  const input = fileInput(onFile);
  return h(
    'span',
    {},
    button(label, () => input.click(), { class: primary ? 'primary' : 'plain' }),
    input,
  );
}

/** Nothing is open: what this page is for, what was wrong, and how a bundle comes in. */
export function door(
  onFile: (file: File) => void,
  problem?: { readonly title: string; readonly text: string },
): HTMLElement {
  return h(
    'main',
    { class: 'door' },
    h('h1', {}, 'Throughline evidence'),
    problem !== undefined &&
      h(
        'div',
        { class: 'problems', role: 'alert' },
        h('h2', {}, icon('broken'), ' ', problem.title),
        h('p', {}, data(problem.text, 1000)),
      ),
    h(
      'div',
      { class: 'drop' },
      icon('file'),
      h('p', {}, h('b', {}, 'Drop a bundle here')),
      h(
        'p',
        { class: 'dim' },
        'A ZIP that the gateway exported. It is read and checked in this page: nothing leaves it, and nothing is loaded from a network.',
      ),
      chooseFile('Choose a file', onFile, true),
    ),
    h(
      'p',
      { class: 'dim' },
      'An encrypted bundle (.age) is decrypted first: ',
      h('code', {}, 'age -d -i KEY bundle.zip.age > bundle.zip'),
    ),
  );
}

/** Takes files that are dropped anywhere on the page. */
export function acceptDrops(onFile: (file: File) => void): void {
  const isFile = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') === true;
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    if (isFile(event)) document.body.dataset['dropping'] = '';
  });
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) delete document.body.dataset['dropping'];
  });
  document.addEventListener('drop', (event) => {
    // Whatever is dropped: the browser must not go there.
    event.preventDefault();
    delete document.body.dataset['dropping'];
    const file = event.dataTransfer?.files[0];
    if (file !== undefined) onFile(file);
  });
}

/** While a bundle is read. */
export function waiting(): { readonly element: HTMLElement; readonly say: (text: string) => void } {
  const text = h('p', { role: 'status' }, 'Reading the bundle …');
  const element = h('main', { class: 'door' }, h('h1', {}, 'Throughline evidence'));
  append(element, [text]);
  return { element, say: (words) => replace(text, words) };
}
