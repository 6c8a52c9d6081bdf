import type { Handlers } from '../../contract/bridge/calls.js';
import { ThroughlineError } from '../../contract/errors.js';
import { Forward } from './forward.js';
import { sshLimits } from './limits.js';
import type { SshEngineOptions } from './options.js';

type ForwardCalls = Extract<keyof Handlers<'agent'>, `forwards.${string}`>;

/** Every forward of this agent. Each is a session of its own: what ends one ends no other. */
export class Forwards {
  readonly handlers: Pick<Handlers<'agent'>, ForwardCalls>;
  readonly #options: SshEngineOptions;
  readonly #all = new Map<string, Forward>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SshEngineOptions) {
    this.#options = options;
    this.handlers = {
      'forwards.list': () => Promise.resolve(this.#list()),
      'forwards.open': async ({ connection, ...wanted }) => {
        if (this.#all.size >= sshLimits.forwardsMax) {
          throw new ThroughlineError('rate-limited', `${sshLimits.forwardsMax} forwards are open already`, {
            action: 'stop some of them',
          });
        }
        const forward = new Forward(connection, wanted, options, () => this.#changed());
        this.#all.set(forward.id, forward);
        await forward.open();
        return forward.view();
      },
      'forwards.close': ({ id }) => {
        this.#all.get(id)?.close();
        this.#all.delete(id);
        this.#changed();
        return Promise.resolve({});
      },
    };
  }

  closeAll(): void {
    for (const forward of this.#all.values()) forward.close();
    this.#all.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#options.emit('forwards.changed', []);
  }

  #list() {
    return [...this.#all.values()].map((each) => each.view());
  }

  /** Told now and then: every socket changes its numbers. */
  #changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#options.emit('forwards.changed', this.#list());
    }, sshLimits.forwardTellIntervalMs / 5);
  }
}
