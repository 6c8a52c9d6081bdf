import { text } from 'node:stream/consumers';
import { Entry } from '@napi-rs/keyring';
import type { KeyringAnswer, KeyringRequest } from './keyring.js';

/** The whole program of the child process that keyring.ts starts: one request on stdin, one answer on stdout. */
function answer(request: KeyringRequest): KeyringAnswer {
  // Pinned: the binding would otherwise fall back to kernel keys, which do not survive a restart.
  const entry = new Entry('throughline', request.account, { linux: { store: 'secret-service' } });
  switch (request.kind) {
    case 'get':
      return { ok: true, value: entry.getPassword() };
    case 'set':
      entry.setPassword(request.secret);
      return { ok: true, value: null };
  }
}

function attempt(request: KeyringRequest): KeyringAnswer {
  try {
    return answer(request);
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : 'unknown' };
  }
}

process.stdout.write(JSON.stringify(attempt(JSON.parse(await text(process.stdin)) as KeyringRequest)));
