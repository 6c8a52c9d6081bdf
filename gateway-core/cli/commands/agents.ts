import { api } from '../../agent/client/api.js';
import type { Gateway } from '../../agent/client/gateway.js';
import type { AgentChange, AgentNode } from '../../contract/delegation.js';
import { type Context, type Run, withGateway } from '../context.js';
import { bold, dim, type Part, print, printJson } from '../output.js';
import { onSignal } from '../signals.js';
import { counted, localTime } from '../values.js';

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    if (input.flag('watch')) return watch(context, gateway);
    const nodes = await api.agents(gateway);
    if (context.json) return printJson(context.stdout, nodes);
    if (nodes.length === 0) return print(context.stdout, 'Nobody acts now.');
    for (const { node, prefix } of drawn(nodes)) print(context.stdout, prefix, ...described(node));
  });

/** What is there is told as attached; then every change, until Ctrl-C. */
async function watch(context: Context, gateway: Gateway): Promise<void> {
  const known = new Map<string, string>();
  const tell = (change: AgentChange): void => {
    const { node } = change;
    const text = JSON.stringify(node);
    if (change.change !== 'ended' && known.get(node.id) === text) return;
    if (change.change === 'ended') known.delete(node.id);
    else known.set(node.id, text);
    if (context.json) return printJson(context.stdout, change);
    print(
      context.stdout,
      dim(localTime(change.at).slice(11)),
      ` ${change.change.padEnd(8)} `,
      ...described(node),
    );
  };
  const feed = api.live(gateway);
  onSignal(() => feed.abort());
  const read = async (): Promise<void> => {
    const at = new Date().toISOString();
    for (const node of await api.agents(gateway))
      tell({ at, change: known.has(node.id) ? 'updated' : 'attached', node });
  };
  let opened = false;
  for await (const item of feed.items) {
    // What is there is read once the feed is open: nothing falls between.
    if (!opened || item.kind === 'resync' || item.kind === 'rights') await read();
    opened = true;
    if (item.kind === 'agent') tell({ at: item.at, change: item.change, node: item.node });
  }
}

/** As a tree, children below their parents. */
function drawn(nodes: readonly AgentNode[]): readonly { node: AgentNode; prefix: string }[] {
  const children = new Map<string | undefined, AgentNode[]>();
  const ids = new Set(nodes.map(({ id }) => id));
  for (const node of nodes) {
    const parent = node.parent !== undefined && ids.has(node.parent) ? node.parent : undefined;
    children.set(parent, [...(children.get(parent) ?? []), node]);
  }
  const lines: { node: AgentNode; prefix: string }[] = [];
  const walk = (parent: string | undefined, indent: string): void => {
    const list = children.get(parent) ?? [];
    for (const [index, node] of list.entries()) {
      const last = index === list.length - 1;
      lines.push({ node, prefix: parent === undefined ? '' : `${indent}${last ? '└─ ' : '├─ '}` });
      walk(node.id, parent === undefined ? '' : `${indent}${last ? '   ' : '│  '}`);
    }
  };
  walk(undefined, '');
  return lines;
}

function described(node: AgentNode): Part[] {
  const facts = [
    node.kind,
    node.assurance,
    node.state,
    ...(node.pid === undefined ? [] : [`pid ${node.pid}`]),
    ...(node.sessions.length === 0
      ? []
      : [`${counted(node.sessions.length, 'session')} on ${node.connections.join(', ')}`]),
    ...(node.expiresAt === undefined ? [] : [`until ${localTime(node.expiresAt).slice(11, 16)}`]),
  ];
  const id = node.id.startsWith('dlg_') || node.id.startsWith('prc_') ? [dim(` ${node.id}`)] : [];
  return [bold(node.name), dim(`  ${facts.join(', ')}`), ...id];
}
