import { ActionIcon, Tooltip } from '@mantine/core';
import type { Icon } from '../../ui/workbench.js';

/** A small button that is an icon, with its name for those who point at it or do not see it. */
export function IconButton({
  label,
  icon: Sign,
  run,
  pressed,
  disabled,
}: {
  readonly label: string;
  readonly icon: Icon;
  readonly run: () => void;
  readonly pressed?: boolean;
  readonly disabled?: boolean;
}) {
  return (
    <Tooltip label={label} openDelay={400}>
      <ActionIcon
        size={26}
        variant={pressed === true ? 'light' : 'subtle'}
        color={pressed === true ? 'teal' : 'gray'}
        aria-label={label}
        disabled={disabled === true}
        {...(pressed === undefined ? {} : { 'aria-pressed': pressed })}
        onClick={run}
      >
        <Sign size={15} stroke={1.7} />
      </ActionIcon>
    </Tooltip>
  );
}
