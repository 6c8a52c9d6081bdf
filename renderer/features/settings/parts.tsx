import { Text } from '@mantine/core';
import type { ReactNode } from 'react';
import style from './settings.module.css';

/** A group of settings. */
export function Part({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** One setting: what it is, and how it is set. */
export function Setting({
  label,
  hint,
  children,
}: {
  readonly label: string;
  readonly hint?: string;
  readonly children: ReactNode;
}) {
  return (
    <div className={style['setting']}>
      <div>
        <div>{label}</div>
        {hint !== undefined && (
          <Text size="xs" c="dimmed">
            {hint}
          </Text>
        )}
      </div>
      <div>{children}</div>
    </div>
  );
}
