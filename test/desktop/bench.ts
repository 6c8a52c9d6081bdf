import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Page } from 'playwright';
import { afterAll, it } from 'vitest';
import { api } from '../../gateway-core/agent/client/api.js';
import { SessionId } from '../../gateway-core/contract/ids.js';
import { login, startGateway } from '../live/harness.js';
import { createScope, start } from '../live/processes.js';
import { see, signIn, startApp } from './app.js';

/** Measures what a person at the desktop waits for. Figures go into the file that BENCH_DESKTOP names. */
const scope = createScope();
afterAll(() => scope.close());
const quick = process.env['BENCH_QUICK'] === '1';
const figures: Record<string, unknown> = {};
afterAll(() => {
  const file = process.env['BENCH_DESKTOP'];
  if (file !== undefined) writeFileSync(file, JSON.stringify(figures));
});

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
const rounded = (value: number): number => Math.round(value * 10) / 10;

/** Bytes that the page's JavaScript holds after a collection. */
async function heapMb(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  await session.send('Performance.enable');
  const { metrics } = await session.send('Performance.getMetrics');
  await session.detach();
  return rounded((metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0) / 1024 ** 2);
}

/** Resident memory of the one process below us whose command line holds `program`. */
function residentMb(program: string): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(program)) continue;
      const kb = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      return Math.round(Number(kb) / 1024);
    } catch {
      // It ended between two looks.
    }
  }
  return 0;
}

/** Moves the grid a screen a frame for some seconds, and gives the times between frames. */
const scrollFrames = `new Promise((resolve) => {
  const grid = [...document.querySelectorAll('[role=grid]')].at(-1);
  const times = [];
  let before = performance.now();
  let by = grid.clientHeight;
  const step = (now) => {
    times.push(now - before);
    before = now;
    grid.scrollTop += by;
    if (grid.scrollTop + grid.clientHeight >= grid.scrollHeight - 1 || grid.scrollTop <= 0) by = -by;
    if (times.length < ${quick ? 200 : 600}) requestAnimationFrame(step);
    else resolve(times.slice(5));
  };
  requestAnimationFrame(step);
})`;

async function run(page: Page, text: string): Promise<void> {
  await page.keyboard.press('F6');
  await page.keyboard.press('Control+a');
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(text);
  await page.keyboard.press('Control+Enter');
}

it('starting, scrolling, a million rows', async () => {
  const app = await startApp(scope);
  const interactive: number[] = [];
  for (let round = 0; round < (quick ? 3 : 9); round++) {
    const page = await app.page();
    await page.getByRole('button', { name: 'Sign in with the browser' }).waitFor();
    interactive.push(await page.evaluate<number>('performance.now()'));
    await page.context().close();
  }
  figures['interactiveMs'] = {
    best: Math.round(Math.min(...interactive)),
    median: Math.round(percentile(interactive, 0.5)),
    worst: Math.round(Math.max(...interactive)),
  };

  const page = await app.page();
  await signIn(app, page, 'engineer');
  await page.getByRole('option', { name: /shop-db/ }).dblclick();
  await page.locator('.monaco-editor').first().waitFor();
  await page.getByText('Results appear here').waitFor();
  await run(
    page,
    'select g, md5(g::text) as a, md5((g + 1)::text) as b, g % 7 as c from generate_series(1, 100000) g',
  );
  await see(page, '100,000 rows');
  const frames = await page.evaluate<number[]>(scrollFrames);
  figures['scroll100000Rows'] = {
    frames: frames.length,
    p50Ms: rounded(percentile(frames, 0.5)),
    p95Ms: rounded(percentile(frames, 0.95)),
    p99Ms: rounded(percentile(frames, 0.99)),
    framesPerSecond: rounded(1000 / (frames.reduce((sum, each) => sum + each, 0) / frames.length)),
  };

  const agent = 'agent-process.mjs';
  const before = { pageMb: await heapMb(page), agentMb: residentMb(agent) };
  const began = performance.now();
  await run(
    page,
    "select g as id, md5(g::text) as code, 'somebody' as name, g * 3 as amount from generate_series(1, 1000000) g",
  );
  await page.getByText('1,000,000 rows').first().waitFor({ timeout: 120_000 });
  const loadedMs = Math.round(performance.now() - began);
  await page.evaluate(scrollFrames);
  const after = { pageMb: await heapMb(page), agentMb: residentMb(agent) };
  for (let round = 0; round < (quick ? 1 : 4); round++) {
    await run(
      page,
      `select g as id, md5(g::text) as code, 'somebody' as name, g * ${round} as amount from generate_series(1, 1000000) g`,
    );
    await page.getByText('Messages').first().waitFor();
    await page.waitForTimeout(500);
    await page.getByText('1,000,000 rows').first().waitFor({ timeout: 120_000 });
  }
  const again = { pageMb: await heapMb(page), agentMb: residentMb(agent) };
  figures['millionRows'] = { loadedMs, before, after, afterFourMore: again };
});

it('from revoking to every screen', async () => {
  const gateway = await startGateway(scope);
  const contractor = await login(scope, gateway, 'contractor');
  const admin = await login(scope, gateway, 'admin');
  const tunnel = await contractor.tunnel('shop-db');
  const app = await startApp(scope, { gateway: gateway.url });
  const page = await app.page();
  await page.getByRole('button', { name: 'It is the same: trust it' }).click();
  await signIn(app, page, 'admin');
  await page.keyboard.press('Control+Shift+S');
  const opened = await admin.gateway();
  const table = page.getByRole('region', { name: 'Sessions' });
  const shown: number[] = [];
  const gone: number[] = [];
  for (let round = 0; round < (quick ? 3 : 15); round++) {
    const client = start(scope, 'psql', ['-X', '-q', '-A', '-t'], { env: tunnel.env });
    client.stdin.write('select 1;\n');
    await client.waitFor(/^1$/m);
    const attachedAt = performance.now();
    await table.getByText('Casey Contractor').first().waitFor();
    shown.push(performance.now() - attachedAt);
    const [session] = await api.sessions(opened, { live: 'true' });
    if (session === undefined) throw new Error('a session that runs is listed');
    const revokedAt = performance.now();
    await api.revoke(opened, { kind: 'session', id: SessionId.parse(session.id), reason: 'measured' });
    await see(page, 'Nobody is connected right now');
    gone.push(performance.now() - revokedAt);
    client.signal('SIGKILL');
    await client.ended;
  }
  figures['liveMs'] = {
    firstAnswerToListedP50: Math.round(percentile(shown, 0.5)),
    revokeToEveryScreenP50: Math.round(percentile(gone, 0.5)),
    revokeToEveryScreenWorst: Math.round(Math.max(...gone)),
  };
});
