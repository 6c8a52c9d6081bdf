import { create } from 'zustand';

/**
 * Unsaved text of tabs, by the tab's id. Features put it here as it is typed; the shell writes it into the workspace
 * file, so that a crash loses nothing, and puts it back before the first tab is opened.
 */
interface Drafts {
  readonly texts: ReadonlyMap<string, string>;
}

/** Characters of all drafts together. The workspace file has a limit of its own; JSON and UTF-8 need more than one byte for some. */
export const draftCharactersMax = 8 * 1024 * 1024;

export const useDrafts = create<Drafts>(() => ({ texts: new Map() }));

export const drafts = {
  get(tab: string): string | undefined {
    return useDrafts.getState().texts.get(tab);
  },

  /** @returns false when it was not kept, because all drafts together would be too long */
  set(tab: string, text: string): boolean {
    const { texts } = useDrafts.getState();
    if (texts.get(tab) === text) return true;
    let characters = text.length;
    for (const [other, kept] of texts) if (other !== tab) characters += kept.length;
    if (characters > draftCharactersMax) return false;
    useDrafts.setState({ texts: new Map(texts).set(tab, text) });
    return true;
  },

  remove(tab: string): void {
    const texts = new Map(useDrafts.getState().texts);
    if (texts.delete(tab)) useDrafts.setState({ texts });
  },

  /** Puts back what the workspace file held. */
  restore(texts: Readonly<Record<string, string>>): void {
    useDrafts.setState({ texts: new Map(Object.entries(texts)) });
  },
};
