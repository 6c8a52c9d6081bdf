import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { EvidenceExport, EvidenceWanted } from '../../contract/bridge/evidence.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { Gateway } from '../client/gateway.js';
import { saveBundle } from '../evidence/save.js';
import type { Emit } from './emit.js';
import { toBridgeError } from './failure.js';
import { serviceLimits } from './limits.js';

interface Held {
  view: EvidenceExport;
  readonly stop: AbortController;
}

/** Bundles that are fetched into files, in the background: each whole or not there. */
export class EvidenceExports {
  readonly #held = new Map<string, Held>();
  readonly #options: { readonly directory: () => string; readonly emit: Emit };

  constructor(options: { readonly directory: () => string; readonly emit: Emit }) {
    this.#options = options;
  }

  /** Newest first. */
  list(): EvidenceExport[] {
    return [...this.#held.values()].map(({ view }) => view).reverse();
  }

  start(gateway: Gateway, wanted: EvidenceWanted): EvidenceExport {
    const encrypted = wanted.to.length > 0;
    const view: EvidenceExport = {
      id: `evi_${randomBytes(8).toString('hex')}`,
      subject: wanted.subject,
      name: encrypted ? `${wanted.name}.age` : wanted.name,
      state: 'running',
      bytes: 0,
      path: '',
      encrypted,
    };
    const stop = new AbortController();
    this.#held.set(view.id, { view, stop });
    this.#forgetOldest();
    void this.#fetch(gateway, wanted, view, stop.signal);
    return view;
  }

  cancel(id: string): void {
    this.#held.get(id)?.stop.abort();
  }

  cancelAll(): void {
    for (const { stop } of this.#held.values()) stop.abort();
  }

  async #fetch(
    gateway: Gateway,
    wanted: EvidenceWanted,
    first: EvidenceExport,
    signal: AbortSignal,
  ): Promise<void> {
    // `start` answers before anything is told.
    await Promise.resolve();
    try {
      const file = join(this.#options.directory(), first.name);
      let toldAtMs = 0;
      const { subject, results, reason } = wanted;
      const { bytes, sha256 } = await saveBundle(gateway, {
        request: { subject, results, ...(reason === undefined || reason === '' ? {} : { reason }) },
        file,
        to: wanted.to,
        signal,
        onProgress: (sofar) => {
          const nowMs = performance.now();
          if (nowMs - toldAtMs < serviceLimits.progressIntervalMs) return;
          toldAtMs = nowMs;
          this.#tell(first.id, { bytes: sofar });
        },
      });
      this.#tell(first.id, { state: 'done', bytes, sha256, path: file });
    } catch (cause) {
      if (signal.aborted) this.#tell(first.id, { state: 'cancelled' });
      else this.#tell(first.id, { state: 'failed', error: toBridgeError(withoutFlag(cause)) });
    }
  }

  #tell(id: string, change: Partial<EvidenceExport>): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    held.view = { ...held.view, ...change };
    this.#options.emit('evidence.changed', held.view);
  }

  #forgetOldest(): void {
    for (const [id, { view }] of this.#held) {
      if (this.#held.size <= serviceLimits.evidenceExportsMax) return;
      if (view.state !== 'running') this.#held.delete(id);
    }
  }
}

/** There is no `--force` in a window. */
function withoutFlag(cause: unknown): unknown {
  if (!(cause instanceof ThroughlineError) || cause.code !== 'conflict') return cause;
  return new ThroughlineError('conflict', cause.message, { action: 'choose another name' });
}
