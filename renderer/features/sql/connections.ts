import { useEffect, useState } from 'react';
import type { ConnectionDetail } from '../../../gateway-core/contract/api.js';
import { call, on } from '../../bridge/index.js';

/** The connections that a SQL tab can go to. */
export function useSqlConnections(): readonly ConnectionDetail[] {
  const [connections, setConnections] = useState<readonly ConnectionDetail[]>([]);
  useEffect(() => {
    const read = () =>
      void call('connections.list', {}).then(
        (list) =>
          setConnections(
            list.filter(({ protocol, access }) => protocol === 'postgres' && access === 'allowed'),
          ),
        // What was known stays: the status bar says that the gateway is away.
        () => undefined,
      );
    read();
    const stop = [on('connections.changed', read), on('resync', read)];
    return () => {
      for (const each of stop) each();
    };
  }, []);
  return connections;
}
