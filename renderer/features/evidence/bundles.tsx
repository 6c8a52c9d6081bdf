import { ActionIcon, TextInput, Tooltip } from '@mantine/core';
import { IconFileZip, IconRefresh, IconSearch } from '@tabler/icons-react';
import { useCallback, useEffect, useState } from 'react';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import type { BundleList } from '../../../gateway-core/contract/bridge/evidence.js';
import { call, failureOf } from '../../bridge/index.js';
import { CopyLine } from '../../ui/copy-line.js';
import { EmptyState } from '../../ui/empty-state.js';
import { ErrorState } from '../../ui/error-state.js';
import { Skeleton } from '../../ui/skeleton.js';
import { bytesText, Time } from '../../ui/time.js';
import { VirtualList } from '../../ui/virtual-list.js';
import style from './evidence.module.css';

const rowHeight = 30;

/** Bundles that lie in the folder for exports. Whatever is put there appears: no gateway is asked. */
export function Bundles({ open }: { readonly open: (name: string) => void }) {
  const [list, setList] = useState<BundleList>();
  const [problem, setProblem] = useState<BridgeError>();
  const [text, setText] = useState('');
  const read = useCallback(async () => {
    try {
      setList(await call('bundles.list', {}));
      setProblem(undefined);
    } catch (cause) {
      setProblem(failureOf(cause));
    }
  }, []);
  useEffect(() => void read(), [read]);
  const words = text.trim().toLowerCase();
  const shown = list?.bundles.filter(({ name }) => name.toLowerCase().includes(words)) ?? [];
  return (
    <section className={style['bundles']} aria-label="Evidence bundles">
      <div className={style['bar']}>
        <TextInput
          size="xs"
          className={style['grow']}
          placeholder="Filter by name"
          aria-label="Filter bundles"
          leftSection={<IconSearch size={14} aria-hidden />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Tooltip label="Look into the folder again">
          <ActionIcon
            variant="default"
            size={30}
            aria-label="Look into the folder again"
            onClick={() => void read()}
          >
            <IconRefresh size={15} />
          </ActionIcon>
        </Tooltip>
      </div>
      {problem !== undefined && <ErrorState compact error={problem} retry={() => void read()} />}
      {list === undefined && problem === undefined && <Skeleton label="Looking into the folder" />}
      {list !== undefined && list.bundles.length === 0 && (
        <EmptyState
          icon={IconFileZip}
          title="No bundle lies in the folder yet"
          text="Export one from a session’s page or from a node of the agent tree, or put a file that you were given here:"
        >
          <CopyLine text={list.directory} label="Copy the folder’s path" />
        </EmptyState>
      )}
      {list !== undefined && list.bundles.length > 0 && (
        <>
          <VirtualList
            label="Evidence bundles"
            items={shown}
            rowHeight={rowHeight}
            keyOf={({ name }) => name}
            textOf={({ name }) => name}
            onOpen={({ name }) => open(name)}
            empty="No bundle has this in its name"
            render={({ name, bytes, changedAt }) => (
              <div className={style['bundle']}>
                <IconFileZip size={15} stroke={1.6} aria-hidden />
                <span className={style['bundleName']}>{name}</span>
                <span className={style['quiet']}>{bytesText(bytes)}</span>
                <span className={style['quiet']}>
                  <Time at={changedAt} short />
                </span>
              </div>
            )}
          />
          <p className={style['folder']}>
            In <code>{list.directory}</code>: Enter opens and verifies, without gateway and network.
          </p>
        </>
      )}
    </section>
  );
}
