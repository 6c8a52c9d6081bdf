import { ActionIcon, Button } from '@mantine/core';
import { IconCertificate, IconHandStop, IconHistory, IconX } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { AgentNode } from '../../../gateway-core/contract/delegation.js';
import { useKnown } from '../../ui/app-state.js';
import { Line } from '../../ui/line.js';
import { ShortId } from '../../ui/short-id.js';
import { Shortcut } from '../../ui/shortcut.js';
import { Lasting, Time } from '../../ui/time.js';
import { VisibleText } from '../../ui/visible-text.js';
import { workbench } from '../../ui/workbench.js';
import { Happenings } from './happenings.js';
import style from './inspector.module.css';
import { Left } from './left.js';
import { openSession, openSessionsOf } from './open.js';
import { mayRevoke, revokeAgent } from './revoke.js';
import { belowOf, lineOf, type Nodes } from './tree.js';
import { choose, reveal } from './view.js';
import { assuranceWords, counted, kindWords, stateWords } from './words.js';

const sessionsShownMax = 30;

/** Everything that is known of one node, and its end. */
export function Inspector({ node, nodes }: { readonly node: AgentNode; readonly nodes: Nodes }) {
  const app = useKnown((known) => known.app);
  const [first, ...rest] = lineOf(nodes, node.id);
  return (
    <aside className={style['inspector']} aria-label={`${kindWords[node.kind]} ${node.name}`}>
      <header className={style['title']}>
        <h2>
          <VisibleText text={node.name} lines={false} />
        </h2>
        <span className={style['stateWord']} data-state={node.state}>
          {stateWords[node.state]}
        </span>
        <Button
          size="compact-xs"
          variant="default"
          leftSection={<IconCertificate size={13} />}
          onClick={() =>
            workbench().openTab('evidence-export', { kind: 'agent', id: node.id, name: node.name })
          }
        >
          Export
        </Button>
        {mayRevoke(app, nodes, node) && (
          <Button
            size="compact-xs"
            color="red"
            variant="light"
            leftSection={<IconHandStop size={13} />}
            onClick={() => void revokeAgent(node.id)}
          >
            Revoke
          </Button>
        )}
        <ActionIcon
          size="sm"
          variant="subtle"
          color="gray"
          aria-label="Close the inspector"
          onClick={() => choose(undefined)}
        >
          <IconX size={14} />
        </ActionIcon>
      </header>
      <div className={style['facts']}>
        {first !== undefined && (
          <div className={style['wholeLine']}>
            <Line chain={[first, ...rest]} onPick={(hop) => reveal(hop.id)} />
          </div>
        )}
        <Statement node={node} />
        <About node={node} />
        <Scope node={node} />
        <Budget node={node} />
        <Sessions node={node} nodes={nodes} />
        <Happenings id={node.id} />
      </div>
    </aside>
  );
}

function Part({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section className={style['part']}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

function Statement({ node: { statement } }: { readonly node: AgentNode }) {
  if (statement === undefined) return null;
  return (
    <Part title={statement.running ? 'Runs now' : 'Ran last'}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long text scrolls, by keys too */}
      <pre className={style['sql']} tabIndex={0}>
        <VisibleText text={statement.text} lines />
      </pre>
    </Part>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function About({ node }: { readonly node: AgentNode }) {
  const { purpose, expiresAt, endedAt, depth, depthMax, pid, command, assurance, state } = node;
  return (
    <dl className={style['list']}>
      {purpose !== undefined && purpose !== '' && (
        <Fact name="Purpose">
          <VisibleText text={purpose} />
        </Fact>
      )}
      <Fact name="Since">
        <Time at={node.since} short />
        {state !== 'ended' && (
          <span className={style['quiet']}>
            , <Lasting from={node.since} />
          </span>
        )}
      </Fact>
      {state === 'ended' && endedAt !== undefined && (
        <Fact name="Ended">
          <Time at={endedAt} short />
          {node.endCause !== undefined && `, ${node.endCause}`}
        </Fact>
      )}
      {state !== 'ended' && expiresAt !== undefined && (
        <Fact name="Time left">
          <Left until={expiresAt} />
        </Fact>
      )}
      {depth !== undefined && depthMax !== undefined && (
        <Fact name="Levels left">
          {depthMax === depth ? 'none: it can start no sub-agent' : `${depthMax - depth} of ${depthMax}`}
        </Fact>
      )}
      {pid !== undefined && (
        <Fact name="Process">
          <span className={style['figures']}>{pid}</span>
        </Fact>
      )}
      {command !== undefined && (
        <Fact name="Command">
          <code>
            <VisibleText text={command} />
          </code>
        </Fact>
      )}
      <Fact name="Assurance">
        <span className="tl-hop-body" data-assurance={assurance}>
          {assurance}
        </span>
        <p className={style['quiet']}>{assuranceWords[assurance]}</p>
      </Fact>
      <Fact name="Id">
        <ShortId id={node.id} />
      </Fact>
    </dl>
  );
}

function Scope({ node: { kind, scope } }: { readonly node: AgentNode }) {
  if (kind !== 'agent') {
    return (
      <Part title="May">
        <p className={style['quiet']}>
          {kind === 'process' ? 'What its parent may.' : 'What policy allows.'}
        </p>
      </Part>
    );
  }
  const { connections, actions } = scope ?? {};
  if (connections === undefined && actions === undefined) {
    return (
      <Part title="May">
        <p className={style['quiet']}>Everything its parent may.</p>
      </Part>
    );
  }
  return (
    <Part title="May, at most">
      <dl className={style['list']}>
        <Fact name="Connections">
          <Names list={connections} />
        </Fact>
        <Fact name="Actions">
          <Names list={actions} />
        </Fact>
      </dl>
    </Part>
  );
}

function Names({ list }: { readonly list: readonly string[] | undefined }) {
  if (list === undefined) return <span className={style['quiet']}>all its parent may</span>;
  return (
    <span className={style['names']}>
      {list.map((name) => (
        <code key={name}>
          <VisibleText text={name} lines={false} />
        </code>
      ))}
    </span>
  );
}

function Budget({ node: { budget } }: { readonly node: AgentNode }) {
  if (budget === undefined) return null;
  return (
    <Part title="Budget">
      <Bar name="Sessions" used={budget.sessionsUsed} most={budget.sessions} />
      <Bar name="Sub-agents" used={budget.childrenUsed} most={budget.children} />
    </Part>
  );
}

function Bar({ name, used, most }: { readonly name: string; readonly used: number; readonly most: number }) {
  const text = `${used.toLocaleString()} of ${most.toLocaleString()}`;
  return (
    <div className={style['budget']}>
      <span>{name}</span>
      <span
        className={style['bar']}
        role="meter"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={most}
        aria-valuenow={used}
        aria-valuetext={text}
      >
        <span
          data-full={used >= most ? '' : undefined}
          style={{ width: `${most === 0 ? 100 : Math.min(100, (used / most) * 100)}%` }}
        />
      </span>
      <span className={style['figures']}>{text}</span>
    </div>
  );
}

interface Held {
  readonly session: string;
  readonly by: AgentNode;
}

function Sessions({ node, nodes }: { readonly node: AgentNode; readonly nodes: Nodes }) {
  const held: readonly Held[] = [node, ...belowOf(nodes, node.id)].flatMap((by) =>
    by.sessions.map((session) => ({ session, by })),
  );
  return (
    <Part title={held.length === 0 ? 'Sessions' : counted(held.length, 'live session')}>
      {held.length === 0 && <p className={style['quiet']}>None now.</p>}
      <ul className={style['sessions']}>
        {held.slice(0, sessionsShownMax).map(({ session, by }) => (
          <li key={session}>
            <button type="button" onClick={() => openSession(session)}>
              <span>
                <VisibleText
                  text={by.connections.length === 1 ? (by.connections[0] ?? '') : by.connections.join(', ')}
                  lines={false}
                />
              </span>
              <span className={style['quiet']}>
                <VisibleText text={by.name} lines={false} />
                {by.pid !== undefined && ` ${by.pid}`}
              </span>
              <code>…{session.slice(-4)}</code>
            </button>
          </li>
        ))}
      </ul>
      <Button
        size="compact-xs"
        variant="default"
        leftSection={<IconHistory size={13} />}
        onClick={() => openSessionsOf(node.id, node.name)}
      >
        {held.length > sessionsShownMax
          ? `All ${held.length.toLocaleString()}, and ended ones`
          : 'All sessions, ended ones too'}
      </Button>
    </Part>
  );
}

/** Where no node is chosen: what the signs mean, and the keys. */
export function Legend() {
  return (
    <aside className={style['inspector']} aria-label="What the signs mean">
      <h2 className={style['hidden']}>What the signs mean</h2>
      <div className={style['facts']}>
        <Part title="How each one is known">
          <dl className={style['legend']}>
            {(['proven', 'issued', 'observed', 'claimed'] as const).map((each) => (
              <div key={each}>
                <dt>
                  <span className="tl-hop-body" data-assurance={each}>
                    {each}
                  </span>
                </dt>
                <dd>{assuranceWords[each]}</dd>
              </div>
            ))}
          </dl>
        </Part>
        <Part title="Keys">
          <dl className={style['legend']}>
            {(
              [
                ['↑ ↓', 'move'],
                ['← →', 'fold, unfold'],
                ['Enter', 'open its sessions'],
                ['Delete', 'revoke it, or all of a group, with everything below'],
                ['a letter', 'filter'],
              ] as const
            ).map(([keys, what]) => (
              <div key={keys}>
                <dt>
                  <kbd className="tl-keys">{keys}</kbd>
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
            <div>
              <dt>
                <Shortcut command="app.palette" />
              </dt>
              <dd>find an agent, revoke it from anywhere</dd>
            </div>
          </dl>
        </Part>
      </div>
    </aside>
  );
}
