import { createHash, randomBytes } from 'node:crypto';

export const keyLimits = {
  /** A ticket is for a browser that opens now. */
  ticketLifeMs: 60_000,
  ticketsMax: 16,
  /** One for each tab; the oldest is forgotten. */
  keysMax: 256,
} as const;

/** Tickets that open one tab each, and the keys that they are exchanged for. All in memory: they end with the host. */
export interface Keys {
  /** A new ticket, 256 bits, good once within `ticketLifeMs`. */
  issueTicket(): string;
  /** The key for a ticket that is good; it is not any more after that. */
  exchange(ticket: string): string | undefined;
  knows(key: string): boolean;
}

/** `now`: milliseconds of a clock that only goes forward. Nothing is compared but hashes, so no timing tells a secret. */
export function createKeys(now: () => number = () => performance.now()): Keys {
  const tickets = new Map<string, number>();
  const keys = new Set<string>();
  return {
    issueTicket: () => {
      const ticket = secret();
      tickets.set(hash(ticket), now() + keyLimits.ticketLifeMs);
      forgetOldest(tickets, keyLimits.ticketsMax);
      return ticket;
    },
    exchange: (ticket) => {
      const name = hash(ticket);
      const endsAt = tickets.get(name);
      tickets.delete(name);
      if (endsAt === undefined || now() >= endsAt) return undefined;
      const key = secret();
      keys.add(hash(key));
      forgetOldest(keys, keyLimits.keysMax);
      return key;
    },
    knows: (key) => keys.has(hash(key)),
  };
}

function secret(): string {
  return randomBytes(32).toString('base64url');
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** Maps and sets keep the order in which entries came. */
function forgetOldest(entries: Map<string, unknown> | Set<string>, max: number): void {
  for (const [oldest] of entries.entries()) {
    if (entries.size <= max) return;
    entries.delete(oldest);
  }
}
