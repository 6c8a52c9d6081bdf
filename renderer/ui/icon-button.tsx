import { ActionIcon, Tooltip } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Icon } from './workbench.js';

/** A small button that is an icon, with its name for those who point at it or do not see it. */
export function IconButton({
  label,
  icon: Sign,
  run,
  pressed,
  disabled,
  tip = label,
  size = 26,
  signSize = 15,
}: {
  readonly label: string;
  readonly icon: Icon;
  readonly run: () => void;
  readonly pressed?: boolean;
  readonly disabled?: boolean;
  /** What is shown to those who point at it, where that is more than its name. */
  readonly tip?: ReactNode;
  readonly size?: number;
  readonly signSize?: number;
}) {
  return (
    <Tooltip label={tip} openDelay={400}>
      <ActionIcon
        size={size}
        variant={pressed === true ? 'light' : 'subtle'}
        color={pressed === true ? 'teal' : 'gray'}
        aria-label={label}
        disabled={disabled === true}
        {...(pressed === undefined ? {} : { 'aria-pressed': pressed })}
        onClick={run}
      >
        <Sign size={signSize} stroke={1.7} />
      </ActionIcon>
    </Tooltip>
  );
}
