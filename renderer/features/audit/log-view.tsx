import { Alert, Button, Code, List, Text } from '@mantine/core';
import { IconShieldCheck, IconShieldX } from '@tabler/icons-react';
import { useState } from 'react';
import type { VerifyReport } from '../../../gateway-core/contract/api.js';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import { call, failureOf } from '../../bridge/index.js';
import { CopyButton } from '../../ui/copy-line.js';
import { ErrorState } from '../../ui/error-state.js';
import style from './audit.module.css';

/** The audit log: its newest signed checkpoint, and a check of the whole of it. */
export function LogView() {
  const [report, setReport] = useState<VerifyReport>();
  const [checkpoint, setCheckpoint] = useState<string>();
  const [problem, setProblem] = useState<BridgeError>();
  const [busy, setBusy] = useState<'verify' | 'checkpoint'>();
  const act = (what: 'verify' | 'checkpoint', work: () => Promise<void>) => {
    setBusy(what);
    setProblem(undefined);
    work()
      .catch((cause: unknown) => setProblem(failureOf(cause)))
      .finally(() => setBusy(undefined));
  };
  return (
    <section className={style['log']} aria-label="Audit log">
      <h2>Audit log</h2>
      <Text size="sm" c="dimmed" maw={680}>
        Every decision, session and change is a leaf of an append-only Merkle tree. Its checkpoints are
        signed; whoever keeps one can notice later if history was rewritten.
      </Text>
      <div className={style['buttons']}>
        <Button
          size="xs"
          leftSection={<IconShieldCheck size={15} />}
          loading={busy === 'verify'}
          onClick={() => act('verify', async () => setReport(await call('log.verify', {})))}
        >
          Verify the whole log
        </Button>
        <Button
          size="xs"
          variant="default"
          loading={busy === 'checkpoint'}
          onClick={() =>
            act('checkpoint', async () => setCheckpoint((await call('log.checkpoint', {})).text))
          }
        >
          Show the newest checkpoint
        </Button>
      </div>
      {problem !== undefined && <ErrorState compact error={problem} />}
      {checkpoint !== undefined && (
        <div className={style['checkpoint']}>
          <Code block>{checkpoint}</Code>
          <CopyButton text={checkpoint} label="Copy the checkpoint" />
        </div>
      )}
      {report !== undefined && <Report report={report} />}
    </section>
  );
}

function Report({ report }: { readonly report: VerifyReport }) {
  const { ok, entries, sessions, proved, problems, keyFingerprint } = report;
  return (
    <Alert
      color={ok ? 'green' : 'red'}
      icon={ok ? <IconShieldCheck size={18} /> : <IconShieldX size={18} />}
      title={ok ? 'The log holds' : `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`}
      maw={760}
    >
      {problems.length > 0 && (
        <List size="sm" mb="sm">
          {problems.map(({ code, where, message }) => (
            <List.Item key={`${code} ${where} ${message}`}>
              <b>{code}</b> {where}: {message}
            </List.Item>
          ))}
        </List>
      )}
      <List size="sm">
        {proved.map((each) => (
          <List.Item key={each}>{each}</List.Item>
        ))}
      </List>
      <Text size="xs" c="dimmed" mt="sm">
        {[
          entries === undefined ? '' : `${entries.toLocaleString()} entries`,
          sessions === undefined ? '' : `${sessions.toLocaleString()} sessions`,
          `signed by the key ${keyFingerprint}`,
        ]
          .filter((each) => each !== '')
          .join(' · ')}
      </Text>
    </Alert>
  );
}
