/** Terminals that are typed in together. Each has said so for itself, and shows it. */
interface Member {
  typeIfOpen(text: string): void;
  pasteAlone(text: string): void;
}

const members = new Set<Member>();
const watchers = new Set<() => void>();

export const together = {
  add(member: Member): void {
    members.add(member);
    for (const changed of watchers) changed();
  },
  remove(member: Member): void {
    if (!members.delete(member)) return;
    for (const changed of watchers) changed();
  },
  count: (): number => members.size,
  watch: (changed: () => void): (() => void) => {
    watchers.add(changed);
    return () => watchers.delete(changed);
  },
};

/** What was done in one of them, in all of them. */
export function broadcast(what: (member: Member) => void): void {
  for (const member of members) what(member);
}
