import { Button, Checkbox, Progress, Text, Textarea, TextInput } from '@mantine/core';
import { IconCertificate } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import { BundleName, type EvidenceExport } from '../../../gateway-core/contract/bridge/evidence.js';
import {
  EvidenceSubject,
  type ResultFormat,
  resultFormats,
} from '../../../gateway-core/contract/evidence.js';
import { call, failureOf } from '../../bridge/index.js';
import { CopyLine } from '../../ui/copy-line.js';
import { ErrorState } from '../../ui/error-state.js';
import { ShortId } from '../../ui/short-id.js';
import { bytesText } from '../../ui/time.js';
import { visibleText } from '../../ui/visible-text.js';
import type { TabProps } from '../../ui/workbench.js';
import style from './evidence.module.css';
import { addEvidence, readEvidence, revealBundle, useEvidence, watched } from './exports.js';

const formatWords: Readonly<Record<ResultFormat, string>> = {
  csv: 'CSV, for spreadsheets',
  ndjson: 'NDJSON, for programs',
  parquet: 'Parquet, for data tools',
};

/** Saving one session, or everything below a node of the agent tree, as one file that proves itself offline. */
export function ExportPage({ parameters }: TabProps) {
  const { kind, id, name } = parameters;
  const subject = EvidenceSubject.safeParse({ kind, id });
  if (!subject.success) {
    return <ErrorState error={{ code: 'not-found', message: 'this tab names nothing to export' }} />;
  }
  return <Export key={subject.data.id} subject={subject.data} name={typeof name === 'string' ? name : ''} />;
}

function Export({ subject, name }: { readonly subject: EvidenceSubject; readonly name: string }) {
  const [formats, setFormats] = useState<readonly ResultFormat[]>(['csv', 'ndjson']);
  const [recipients, setRecipients] = useState('');
  const [reason, setReason] = useState('');
  const [file, setFile] = useState(() => fileName(subject, name));
  const [problem, setProblem] = useState<BridgeError>();
  const earlier = useEvidence(({ exports }) => exports);
  const mine = earlier.filter((each) => each.subject.id === subject.id);
  useEffect(() => void readEvidence().catch(() => undefined), []);
  const ids = mine.map(({ id }) => id).join(' ');
  useEffect(() => {
    const seen = ids.split(' ');
    for (const id of seen) watched.add(id);
    return () => {
      for (const id of seen) watched.delete(id);
    };
  }, [ids]);
  const to = recipients.split(/[\s,]+/).filter((each) => each !== '');
  const checked = BundleName.safeParse(file);
  const start = async () => {
    try {
      setProblem(undefined);
      addEvidence(
        await call('evidence.export', {
          subject,
          results: resultFormats.filter((each) => formats.includes(each)),
          to,
          name: file,
          ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
        }),
      );
    } catch (cause) {
      setProblem(failureOf(cause));
    }
  };
  const running = mine.some(({ state }) => state === 'running');
  return (
    <section className={style['page']} aria-label="Export evidence">
      <h2>
        <IconCertificate size={20} stroke={1.6} aria-hidden /> Evidence
      </h2>
      <p className={style['subject']}>
        {subject.kind === 'session' ? 'One session' : 'Everything below'}{' '}
        {name !== '' && <b>{visibleText(name, 80)}</b>} <ShortId id={subject.id} />
      </p>
      <Text size="sm" c="dimmed" maw={640}>
        One ZIP: statements, decisions with the policies’ text, what came back (masked, as recorded), who
        stood behind it, and proofs from the audit log. It is checked and replayed without this gateway: open
        its viewer.html in a browser, or run throughline verify. The export itself goes into the audit log.
      </Text>
      <form
        className={style['form']}
        onSubmit={(event) => {
          event.preventDefault();
          if (checked.success && !running) void start();
        }}
      >
        <TextInput
          size="xs"
          label="File name"
          data-autofocus
          value={file}
          maxLength={120}
          error={checked.success ? undefined : checked.error.issues[0]?.message}
          onChange={(event) => setFile(event.currentTarget.value)}
        />
        <Checkbox.Group
          label="Result sets as files"
          description="Everything that came back is in the bundle anyway; these are copies for other tools."
          size="xs"
          value={[...formats]}
          onChange={(values) => setFormats(values)}
        >
          <div className={style['formats']}>
            {resultFormats.map((each) => (
              <Checkbox key={each} size="xs" value={each} label={formatWords[each]} />
            ))}
          </div>
        </Checkbox.Group>
        <Textarea
          size="xs"
          autosize
          minRows={1}
          maxRows={4}
          label="Encrypt to"
          description="age recipients (age1…), one a line. Without one the file is readable to whoever has it."
          value={recipients}
          onChange={(event) => setRecipients(event.currentTarget.value)}
        />
        <TextInput
          size="xs"
          label="Reason"
          description="Goes into the audit log, with who exported what."
          maxLength={1000}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {problem !== undefined && <ErrorState compact error={problem} />}
        <div>
          <Button size="xs" type="submit" disabled={!checked.success || running}>
            Save the bundle
          </Button>
        </div>
      </form>
      {mine.map((view) => (
        <Saved key={view.id} view={view} />
      ))}
    </section>
  );
}

const stateWords: Readonly<Record<EvidenceExport['state'], string>> = {
  running: 'Saving',
  done: 'Saved',
  failed: 'Not saved',
  cancelled: 'Cancelled: nothing was left behind',
};

function Saved({ view }: { readonly view: EvidenceExport }) {
  const { state, bytes, path, sha256, error, encrypted, name } = view;
  return (
    <div className={style['saved']}>
      <div role="status" className={style['state']}>
        <b>{stateWords[state]}</b> {name}
        {bytes > 0 && `, ${bytesText(bytes)}`}
        {encrypted && ', encrypted'}
      </div>
      {state === 'running' && <Progress value={100} animated aria-label="The bundle is being saved" />}
      {error !== undefined && <ErrorState compact error={error} />}
      {state === 'done' && (
        <>
          <CopyLine text={path} label="Copy the path" />
          <CopyLine
            text={`throughline verify '${path}'${encrypted ? ' --identity KEYFILE' : ''}`}
            label="Copy the command that checks it"
          />
          {sha256 !== undefined && <CopyLine text={`sha256 ${sha256}`} label="Copy the file's hash" />}
        </>
      )}
      <div className={style['acts']}>
        {state === 'running' && (
          <Button
            size="compact-xs"
            variant="default"
            onClick={() => void call('evidence.cancel', { id: view.id }).catch(() => undefined)}
          >
            Cancel
          </Button>
        )}
        {state === 'done' && (
          <Button size="compact-xs" variant="default" onClick={() => void revealBundle(view)}>
            Show the file
          </Button>
        )}
      </div>
    </div>
  );
}

/** What a person finds again: what it is of, and when it was saved. */
function fileName(subject: EvidenceSubject, name: string): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const now = new Date();
  const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}`;
  const words = name.replaceAll(/[^A-Za-z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '');
  return `evidence ${words.slice(0, 40) || subject.id.slice(-8)} ${day} ${time}.zip`;
}
