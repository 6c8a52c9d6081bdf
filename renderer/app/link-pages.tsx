import { IconKeyOff, IconPlugConnectedX } from '@tabler/icons-react';
import { EmptyState } from '../ui/empty-state.js';

/** The key of this tab is not taken: another person's tab, a reload after the app was started anew. */
export function KeyRefused() {
  return (
    <main className="tl-page">
      <EmptyState
        icon={IconKeyOff}
        title="This window has no key to the app"
        text="Only windows that the app opened itself may talk to it. Press Enter in the terminal in which it runs: it opens a new one."
      />
    </main>
  );
}

export function HostGone() {
  return (
    <main className="tl-page">
      <EmptyState
        icon={IconPlugConnectedX}
        title="The app’s process is not running"
        text="Start it again; this window connects by itself."
        command="npm start"
      />
    </main>
  );
}
