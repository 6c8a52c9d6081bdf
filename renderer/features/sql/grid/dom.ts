/** A new element below `parent`. The grid makes its own elements: React is too slow for what changes with every frame. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  parent: HTMLElement | undefined,
  attributes: Readonly<Record<string, string>> = {},
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent?.append(element);
  return element;
}

/** Takes the place of what stood in a ring before: `ring[index % ring.length]`. */
export function slotOf<T>(ring: readonly T[], index: number): T | undefined {
  return ring[index % ring.length];
}

export function setText(node: Text, text: string): void {
  if (node.data !== text) node.data = text;
}
