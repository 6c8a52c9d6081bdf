import { Alert, Button, Text, Textarea } from '@mantine/core';
import { useEffect, useState } from 'react';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import { call, failureOf } from '../../bridge/index.js';
import { ErrorState } from '../../ui/error-state.js';
import { Skeleton } from '../../ui/skeleton.js';
import { Time } from '../../ui/time.js';
import { type TabProps, workbench } from '../../ui/workbench.js';
import style from './admin.module.css';
import { useRead } from './use-read.js';

/** The Cedar policies in force. A text that does not check is refused by the gateway and changes nothing. */
export function PoliciesAdmin({ tab }: TabProps) {
  const { value, problem, again } = useRead(() => call('admin.policies', {}));
  const [draft, setDraft] = useState<string>();
  const [base, setBase] = useState<string>();
  const [refused, setRefused] = useState<BridgeError>();
  const [busy, setBusy] = useState(false);
  const changed = draft !== undefined && draft !== value?.text;
  useEffect(() => {
    workbench().describeTab(tab, {
      title: 'Policies',
      ...(changed ? { mark: 'unsaved' } : {}),
      mayClose: async () =>
        !changed ||
        (await workbench().confirm({
          title: 'Close without putting the policies in force?',
          text: 'The changed text is lost.',
          button: 'Close',
          danger: true,
        })) !== undefined,
    });
  }, [tab, changed]);
  if (problem !== undefined && value === undefined) return <ErrorState error={problem} retry={again} />;
  if (value === undefined) return <Skeleton label="Reading the policies" />;
  const overtaken = changed && base !== undefined && base !== value.version;
  const put = async () => {
    if (draft === undefined) return;
    setBusy(true);
    setRefused(undefined);
    try {
      const result = await call('admin.putPolicies', { text: draft });
      setDraft(undefined);
      setBase(undefined);
      again();
      workbench().notify({
        level: 'success',
        title: `Policies in force: version ${result.version}`,
        text: `${result.policies.length} policies; running sessions are judged by them from now on`,
      });
    } catch (cause) {
      setRefused(failureOf(cause));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section className={style['page']} aria-label="Policies">
      <div className={style['bar']}>
        <Text size="xs" c="dimmed" className={style['grow']}>
          Version <code>{value.version}</code>, put by {value.by} <Time at={value.putAt} />
        </Text>
        <Button size="xs" variant="default" disabled={!changed} onClick={() => setDraft(undefined)}>
          Discard
        </Button>
        <Button size="xs" disabled={!changed} loading={busy} onClick={() => void put()}>
          Put in force
        </Button>
      </div>
      {overtaken && (
        <Alert color="yellow" p="xs">
          Somebody put another version in force while you were writing. Putting yours replaces it.
        </Alert>
      )}
      {refused !== undefined && <ErrorState compact error={refused} />}
      <Textarea
        className={style['editor']}
        aria-label="Cedar policies"
        spellCheck={false}
        value={draft ?? value.text}
        onChange={(event) => {
          setBase((before) => before ?? value.version);
          setDraft(event.currentTarget.value);
        }}
        onKeyDown={(event) => {
          if (event.key === 's' && (event.metaKey || event.ctrlKey)) {
            event.preventDefault();
            void put();
          }
        }}
      />
    </section>
  );
}
