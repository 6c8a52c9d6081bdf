import { IconChevronDown, IconChevronRight } from '@tabler/icons-react';
import type { AgentNode } from '../../../gateway-core/contract/delegation.js';
import { assurances, hopKinds } from '../../ui/line.js';
import { VisibleText, visibleText } from '../../ui/visible-text.js';
import style from './agents.module.css';
import { Left } from './left.js';
import type { GroupRow, NodeRow, Row } from './tree.js';
import { counted, kindWords, stateWords } from './words.js';

const columns = ['Who', 'Runs', 'Connection', 'Sessions', 'Time left', 'Levels', 'PID'] as const;
const widths: Partial<Record<(typeof columns)[number], 'roomy' | 'wide'>> = {
  Levels: 'roomy',
  PID: 'roomy',
  Connection: 'wide',
};

export function Heads() {
  return (
    <div className={style['heads']} role="row">
      {columns.map((name) => (
        <span
          key={name}
          role="columnheader"
          data-numbers={['Sessions', 'Time left', 'Levels', 'PID'].includes(name) ? '' : undefined}
          className={style[widths[name] ?? 'always']}
        >
          {name}
        </span>
      ))}
    </div>
  );
}

/** What a row says, cell by cell. `compact`: name and sessions only. */
export function RowCells({
  row,
  compact,
  toggle,
}: {
  readonly row: Row;
  readonly compact: boolean;
  readonly toggle: () => void;
}) {
  return (
    <>
      <span role="gridcell" className={style['who']}>
        <span className={style['indent']} style={{ width: row.depth * 16 }} aria-hidden />
        <Twisty open={row.open} toggle={toggle} />
        {row.kind === 'node' ? <Name node={row.node} /> : <GroupName row={row} />}
      </span>
      {compact ? (
        <span role="gridcell" className={style['number']} title={counted(row.sessions, 'session')}>
          {row.sessions > 0 && row.sessions.toLocaleString()}
        </span>
      ) : row.kind === 'node' ? (
        <NodeCells row={row} />
      ) : (
        <GroupCells row={row} />
      )}
    </>
  );
}

/** The mouse's way; the keyboard has its arrows, so it is no button of its own. */
function Twisty({ open, toggle }: { readonly open: boolean | undefined; readonly toggle: () => void }) {
  if (open === undefined) return <span className={style['twisty']} />;
  const Sign = open ? IconChevronDown : IconChevronRight;
  return (
    <span
      className={style['twisty']}
      aria-hidden
      onMouseDown={(event) => {
        event.stopPropagation();
        event.preventDefault();
        toggle();
      }}
      onDoubleClick={(event) => event.stopPropagation()}
    >
      <Sign size={14} />
    </span>
  );
}

function State({ state }: { readonly state: AgentNode['state'] }) {
  return (
    <span className={style['dot']} data-state={state} title={stateWords[state]}>
      <span className={style['hidden']}>{stateWords[state]}</span>
    </span>
  );
}

function Name({ node }: { readonly node: AgentNode }) {
  const { kind, name, assurance } = node;
  const { icon: Sign } = hopKinds[kind];
  return (
    <>
      <State state={node.state} />
      <span
        className="tl-hop-body"
        data-assurance={assurance}
        title={`${kindWords[kind]} ${visibleText(name)}: ${assurances[assurance]}`}
      >
        <Sign size={13} stroke={1.8} aria-hidden />
        <span className={style['hidden']}>
          {kindWords[kind]}, {assurances[assurance]}:
        </span>
        <span className="tl-hop-name">
          <VisibleText text={name} lines={false} />
        </span>
      </span>
    </>
  );
}

function GroupName({ row }: { readonly row: GroupRow }) {
  const [first] = row.members;
  if (first === undefined) return null;
  const state = row.members.some((each) => each.state === 'active') ? 'active' : first.state;
  return (
    <>
      <Name node={{ ...first, state }} />
      <b className={style['times']}>×{row.members.length.toLocaleString()}</b>
    </>
  );
}

function NodeCells({ row: { node, sessions } }: { readonly row: NodeRow }) {
  const { depth, depthMax } = node;
  const levels = depth === undefined || depthMax === undefined ? undefined : depthMax - depth;
  return (
    <>
      <span role="gridcell" className={style['runs']}>
        <Runs node={node} />
      </span>
      <span role="gridcell" className={style['wide']} title={node.connections.join(', ')}>
        <Some list={node.connections} />
      </span>
      <span role="gridcell" className={style['number']}>
        {sessions > 0 && sessions.toLocaleString()}
      </span>
      <span role="gridcell" className={style['number']}>
        {node.state !== 'ended' && <Left until={node.expiresAt} />}
      </span>
      <span
        role="gridcell"
        className={`${style['number']} ${style['roomy']}`}
        title={levels === undefined ? undefined : `${counted(levels, 'more level')} may follow below`}
      >
        {levels}
      </span>
      <span role="gridcell" className={`${style['number']} ${style['roomy']}`}>
        {node.pid}
      </span>
    </>
  );
}

/** What it does now: its statement, else what it is for, else its command line. */
function Runs({ node }: { readonly node: AgentNode }) {
  const { statement, purpose, command, state } = node;
  if (state === 'ended') return <em>ended</em>;
  if (statement !== undefined) {
    return (
      <code
        data-running={statement.running}
        title={`${statement.running ? 'Runs' : 'Ran last'}: ${visibleText(statement.text)}`}
      >
        <span className={style['hidden']}>{statement.running ? 'runs' : 'ran last'}: </span>
        <VisibleText text={oneLine(statement.text)} lines={false} />
      </code>
    );
  }
  if (purpose !== undefined && purpose !== '') {
    return (
      <em title={visibleText(purpose)}>
        <VisibleText text={purpose} lines={false} />
      </em>
    );
  }
  if (command === undefined) return null;
  return (
    <code data-running="false" title={visibleText(command)}>
      $ <VisibleText text={command} lines={false} />
    </code>
  );
}

/** Ordinary breaks and indents are one space in one line; everything else unseen stays a sign. */
const oneLine = (text: string): string => text.trim().replaceAll(/[ \t\r\n]+/g, ' ');

function Some({ list }: { readonly list: readonly string[] }) {
  const [first] = list;
  if (first === undefined) return null;
  return (
    <>
      <VisibleText text={first} lines={false} />
      {list.length > 1 && ` +${list.length - 1}`}
    </>
  );
}

function GroupCells({ row }: { readonly row: GroupRow }) {
  const running = row.members.filter(({ statement }) => statement?.running === true).length;
  const connections = [...new Set(row.members.flatMap((each) => each.connections))];
  return (
    <>
      <span role="gridcell" className={style['runs']}>
        <em>{running === 0 ? 'none runs a statement' : `${counted(running, 'statement')} run`}</em>
      </span>
      <span role="gridcell" className={style['wide']} title={connections.join(', ')}>
        <Some list={connections} />
      </span>
      <span role="gridcell" className={style['number']}>
        {row.sessions.toLocaleString()}
      </span>
      <span role="gridcell" />
      <span role="gridcell" className={style['roomy']} />
      <span role="gridcell" className={style['roomy']} />
    </>
  );
}
