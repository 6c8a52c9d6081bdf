import { stateThread } from '../store/state-thread.js';
import { loadWorker } from '../store/worker.js';
import { sealerThread } from './sealer/thread.js';

/** Loads the threads of a gateway. Called before the gateway itself is loaded, they are there when it needs them. */
export function loadThreads(): void {
  for (const thread of [sealerThread, stateThread]) loadWorker(thread.module, thread);
}
