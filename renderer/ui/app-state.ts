import { create } from 'zustand';
import {
  type AppState,
  defaultPreferences,
  type Preferences,
} from '../../gateway-core/contract/bridge/app.js';
import { call, type Link, on, watchLink } from '../bridge/index.js';

interface Known {
  /** Nothing until the host has answered once. */
  readonly app: AppState | undefined;
  readonly preferences: Preferences;
  readonly link: Link;
}

/** The app's state as the host tells it, and the person's preferences: read once here, shown everywhere. */
export const useKnown = create<Known>(() => ({
  app: undefined,
  preferences: defaultPreferences,
  link: 'connecting',
}));

/** Begins to listen; called once, before anything is drawn. */
export function followHost(): void {
  on('app.changed', (app) => useKnown.setState({ app }));
  on('preferences.changed', (preferences) => useKnown.setState({ preferences }));
  watchLink((link) => {
    useKnown.setState({ link });
    if (link === 'connected') void readAll();
  });
}

async function readAll(): Promise<void> {
  try {
    const [app, preferences] = await Promise.all([call('app.state', {}), call('preferences.get', {})]);
    useKnown.setState({ app, preferences });
  } catch {
    // The link breaks again or the host says it by an event: both come by themselves.
  }
}

/** Changes preferences at once on the screen, and for good at the host. */
export async function prefer(change: Partial<Preferences>): Promise<void> {
  useKnown.setState(({ preferences }) => ({ preferences: { ...preferences, ...change } }));
  const preferences = await call('preferences.set', change);
  useKnown.setState({ preferences });
}

/** Who is signed in. */
export function signedIn(app: AppState | undefined) {
  return app?.signIn.state === 'signed-in' ? app.signIn : undefined;
}
