import { useEffect, useState } from 'react';
import type { AppState } from '../../../gateway-core/contract/bridge/app.js';
import { call, on } from '../../bridge/index.js';

/** The principal who is signed in. */
export function useMe(): string | undefined {
  const [me, setMe] = useState<string>();
  useEffect(() => {
    const take = ({ signIn }: AppState) => setMe(signIn.state === 'signed-in' ? signIn.principal : undefined);
    call('app.state', {}).then(take, () => undefined);
    return on('app.changed', take);
  }, []);
  return me;
}
