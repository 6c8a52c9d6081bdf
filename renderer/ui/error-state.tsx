import { Button } from '@mantine/core';
import { IconAlertTriangle, IconRefresh } from '@tabler/icons-react';
import type { BridgeError } from '../../gateway-core/contract/bridge/app.js';
import { VisibleText } from './visible-text.js';

/** What went wrong and what to do. `compact`: a line above something that still holds. */
export function ErrorState({
  error,
  retry,
  compact,
}: {
  readonly error: BridgeError;
  readonly retry?: () => void;
  readonly compact?: boolean;
}) {
  return (
    <div className={compact === true ? 'tl-error-line' : 'tl-error'} role="alert">
      <IconAlertTriangle size={compact === true ? 16 : 26} stroke={1.6} aria-hidden />
      <div>
        <p className="tl-error-title">
          <VisibleText text={sentence(error.message)} />
        </p>
        {error.action !== undefined && (
          <p>
            <VisibleText text={sentence(error.action)} />
          </p>
        )}
      </div>
      {retry !== undefined && (
        <Button size="compact-xs" variant="default" leftSection={<IconRefresh size={13} />} onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** Errors are written as lower-case parts of a line; here they stand alone. */
export function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?:…]$/.test(begun) ? begun : `${begun}.`;
}
