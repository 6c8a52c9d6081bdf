import { open } from 'node:fs/promises';
import { verifyBundle } from '../../../gateway-core/evidence/verify/index.js';
import { fileAccess, inflate } from '../../../gateway-core/evidence/zip/node.js';

/** `node verify-once.js FILE`: checks one bundle in a process of its own, so that its memory is the check's alone. */
const file = await open(process.argv[2] ?? '');
const startedAt = performance.now();
const { ok, entries } = await verifyBundle(await fileAccess(file), { inflate });
const seconds = (performance.now() - startedAt) / 1000;
await file.close();
process.stdout.write(JSON.stringify({ ok, entries, seconds, peakMb: process.resourceUsage().maxRSS / 1024 }));
