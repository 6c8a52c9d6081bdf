import { Button, Text, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useCallback, useEffect, useRef, useState } from 'react';
import type { SearchHit } from '../../../gateway-core/contract/api.js';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import { call, failureOf } from '../../bridge/index.js';
import { EmptyState } from '../../ui/empty-state.js';
import { ErrorState } from '../../ui/error-state.js';
import { Skeleton } from '../../ui/skeleton.js';
import { Time } from '../../ui/time.js';
import { VisibleText } from '../../ui/visible-text.js';
import { type TabProps, workbench } from '../../ui/workbench.js';
import style from './audit.module.css';

/** The gateway gives so many at most. */
const hitsMax = 200;
const rowHeight = 48;

type Found =
  | { readonly state: 'none' }
  | { readonly state: 'searching'; readonly text: string }
  | { readonly state: 'found'; readonly text: string; readonly hits: readonly SearchHit[] }
  | { readonly state: 'failed'; readonly text: string; readonly problem: BridgeError };

export function SearchView({ tab, parameters }: TabProps) {
  const [text, setText] = useState(typeof parameters['text'] === 'string' ? parameters['text'] : '');
  const [found, setFound] = useState<Found>({ state: 'none' });
  const latest = useRef(0);
  const search = useCallback(
    async (wanted: string) => {
      const number = ++latest.current;
      if (wanted.trim() === '') return setFound({ state: 'none' });
      setFound({ state: 'searching', text: wanted });
      workbench().keepParameters(tab, { text: wanted });
      workbench().describeTab(tab, { title: `Search: ${wanted}` });
      try {
        const hits = await call('search', { text: wanted });
        if (number === latest.current) setFound({ state: 'found', text: wanted, hits });
      } catch (cause) {
        if (number === latest.current) setFound({ state: 'failed', text: wanted, problem: failureOf(cause) });
      }
    },
    [tab],
  );
  const first = useRef(text);
  useEffect(() => void search(first.current), [search]);
  return (
    <section className={style['page']} aria-label="Search">
      <form
        className={style['bar']}
        onSubmit={(event) => {
          event.preventDefault();
          void search(text);
        }}
      >
        <TextInput
          size="sm"
          className={style['grow']}
          data-autofocus
          placeholder="Words of a statement, or of what came back"
          aria-label="Search for"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Button size="sm" type="submit" loading={found.state === 'searching'}>
          Search
        </Button>
      </form>
      <Results found={found} again={() => void search(text)} />
    </section>
  );
}

function Results({ found, again }: { readonly found: Found; readonly again: () => void }) {
  switch (found.state) {
    case 'none':
      return (
        <EmptyState
          icon={IconSearch}
          title="Search what was run and what came back"
          text="All words must occur; masked values cannot be found by what they hide. The same in a terminal:"
          command="throughline search customers"
        />
      );
    case 'searching':
      return <Skeleton label="Searching" />;
    case 'failed':
      return <ErrorState error={found.problem} retry={again} />;
    case 'found':
      return found.hits.length === 0 ? (
        <EmptyState icon={IconSearch} title={`Nothing that you may see holds “${found.text}”`} />
      ) : (
        <Hits hits={found.hits} text={found.text} />
      );
  }
}

function Hits({ hits, text }: { readonly hits: readonly SearchHit[]; readonly text: string }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [chosen, setChosen] = useState(0);
  const rows = useVirtualizer({
    count: hits.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 8,
  });
  const choose = (index: number) => {
    const next = Math.min(Math.max(index, 0), hits.length - 1);
    setChosen(next);
    rows.scrollToIndex(next);
  };
  const open = (hit: SearchHit | undefined) => {
    if (hit !== undefined) workbench().openTab('session', { id: hit.session, seq: hit.seq });
  };
  return (
    <>
      <Text size="xs" c="dimmed" px={10} py={4} role="status">
        {hits.length >= hitsMax
          ? `The first ${hitsMax} places; more words find fewer`
          : `${hits.length} places`}
      </Text>
      <div
        ref={scroller}
        className={style['scroller']}
        role="listbox"
        tabIndex={0}
        aria-label="Places"
        aria-activedescendant={`hit-${chosen}`}
        onKeyDown={(event) => {
          const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, Home: 0, End: hits.length - 1 }[event.key];
          if (to !== undefined) choose(to);
          else if (event.key === 'Enter') open(hits[chosen]);
          else return;
          event.preventDefault();
        }}
      >
        <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
          {rows.getVirtualItems().map(({ index, start }) => {
            const hit = hits[index];
            if (hit === undefined) return null;
            return (
              <div
                key={`${hit.session} ${hit.seq} ${index}`}
                id={`hit-${index}`}
                role="option"
                tabIndex={-1}
                aria-selected={index === chosen}
                className={style['hit']}
                style={{ height: rowHeight, transform: `translateY(${start}px)` }}
                onMouseDown={() => setChosen(index)}
                onDoubleClick={() => open(hit)}
              >
                <span className={style['found']}>
                  <Marked text={hit.text} wanted={text} />
                </span>
                <span className={style['where']}>
                  {hit.principal} → {hit.connection} ·{' '}
                  {hit.where === 'content' ? 'in the result' : 'statement'} {hit.seq} · <Time at={hit.at} />
                </span>
              </div>
            );
          })}
        </div>
      </div>
    </>
  );
}

/** The words that were searched for, marked where they stand. */
function Marked({ text, wanted }: { readonly text: string; readonly wanted: string }) {
  const words = wanted
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const shown = text.slice(0, 600).replaceAll(/\s+/g, ' ');
  const lower = shown.toLowerCase();
  const pieces: React.ReactNode[] = [];
  let at = 0;
  while (at < shown.length) {
    let next = shown.length;
    let length = 0;
    for (const word of words) {
      const place = lower.indexOf(word, at);
      if (place >= 0 && place < next) {
        next = place;
        length = word.length;
      }
    }
    if (next > at) pieces.push(<VisibleText key={at} text={shown.slice(at, next)} />);
    if (length > 0)
      pieces.push(
        <mark key={`m${next}`}>
          <VisibleText text={shown.slice(next, next + length)} />
        </mark>,
      );
    at = length > 0 ? next + length : shown.length;
  }
  return <>{pieces}</>;
}
