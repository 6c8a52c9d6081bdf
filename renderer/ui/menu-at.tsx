import { Menu, Portal } from '@mantine/core';
import type { ReactNode } from 'react';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A menu at a place of the window. On the page itself: a docked tab is a window of its own to what is fixed in it. */
export function MenuAt({
  at,
  close,
  children,
}: {
  readonly at: Point;
  readonly close: () => void;
  readonly children: ReactNode;
}) {
  return (
    <Portal>
      <Menu opened onClose={close} position="bottom-start" offset={0} shadow="md" returnFocus={false}>
        <Menu.Target>
          <span style={{ position: 'fixed', left: at.x, top: at.y, width: 1, height: 1 }} />
        </Menu.Target>
        <Menu.Dropdown>{children}</Menu.Dropdown>
      </Menu>
    </Portal>
  );
}
