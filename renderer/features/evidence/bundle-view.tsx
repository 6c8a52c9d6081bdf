import { Alert, Button, List, Progress, TextInput } from '@mantine/core';
import { IconShieldCheck, IconShieldX } from '@tabler/icons-react';
import { useCallback, useEffect, useState } from 'react';
import type { SessionView } from '../../../gateway-core/contract/api.js';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import type { BundleCheck } from '../../../gateway-core/contract/bridge/evidence.js';
import { call, failureOf } from '../../bridge/index.js';
import { CopyButton } from '../../ui/copy-line.js';
import { ErrorState } from '../../ui/error-state.js';
import { Line } from '../../ui/line.js';
import { Replay } from '../../ui/replay/replay.js';
import { ShortId } from '../../ui/short-id.js';
import { Lasting, Time } from '../../ui/time.js';
import { VirtualList } from '../../ui/virtual-list.js';
import { VisibleText, visibleText } from '../../ui/visible-text.js';
import style from './evidence.module.css';

const rowHeight = 34;

/** One bundle: what is proved and what is not, its sessions, and each of them as it went. Asks no gateway. */
export function BundlePage({ name }: { readonly name: string }) {
  const [key, setKey] = useState('');
  const [check, setCheck] = useState<BundleCheck>();
  const [problem, setProblem] = useState<BridgeError>();
  const [busy, setBusy] = useState(true);
  const [session, setSession] = useState<SessionView['id']>();
  const verify = useCallback(
    async (given: string) => {
      setBusy(true);
      try {
        const wanted = given.trim() === '' ? {} : { key: given.trim() };
        const found = await call('bundles.check', { name, ...wanted });
        setCheck(found);
        const [only, ...others] = found.manifest?.sessions ?? [];
        if (others.length === 0) setSession(only?.id);
        setProblem(undefined);
      } catch (cause) {
        setProblem(failureOf(cause));
      } finally {
        setBusy(false);
      }
    },
    [name],
  );
  useEffect(() => void verify(''), [verify]);
  const openReplay = useCallback(
    () => call('bundles.replay', { name, session: session as SessionView['id'] }),
    [name, session],
  );
  const sessions = check?.manifest?.sessions ?? [];
  return (
    <article className={style['bundlePage']} aria-label={`Evidence bundle ${name}`}>
      <header className={style['bundleHead']}>
        <h2>{visibleText(name, 120)}</h2>
        {check?.manifest !== undefined && <About about={check.manifest} />}
      </header>
      {busy && check === undefined && (
        <Progress value={100} animated aria-label="The bundle is being verified" />
      )}
      {problem !== undefined && <ErrorState compact error={problem} retry={() => void verify(key)} />}
      {check !== undefined && (
        <>
          <Report check={check} />
          <form
            className={style['key']}
            onSubmit={(event) => {
              event.preventDefault();
              void verify(key);
            }}
          >
            <TextInput
              size="xs"
              className={style['grow']}
              label="The gateway’s key, as its operator published it"
              description="NAME+HASH+KEY or sha256:… Without it nothing says whose key signed this."
              value={key}
              onChange={(event) => setKey(event.currentTarget.value)}
            />
            <Button size="xs" variant="default" type="submit" loading={busy}>
              Verify with this key
            </Button>
          </form>
        </>
      )}
      {sessions.length > 0 && (
        <div className={style['sessions']} data-open={session !== undefined}>
          <VirtualList
            label="Sessions in this bundle"
            items={sessions}
            rowHeight={rowHeight}
            keyOf={({ id }) => id}
            textOf={({ chain, connection }) => `${chain.map((hop) => hop.name).join(' ')} ${connection}`}
            onOpen={({ id }) => setSession(id)}
            onChoose={({ id }) => setSession(id)}
            render={(each) => <SessionRow session={each} />}
          />
          {session !== undefined && (
            <Replay key={session} open={openReplay} seq={undefined} onStatement={() => undefined} />
          )}
        </div>
      )}
    </article>
  );
}

function About({ about }: { readonly about: NonNullable<BundleCheck['manifest']> }) {
  const { subject, by, createdAt, reason, sessions } = about;
  return (
    <p className={style['about']}>
      {subject.kind === 'session' ? 'One session' : `Everything below`} <ShortId id={subject.id} />
      {subject.kind === 'agent' && `, ${sessions.length.toLocaleString()} sessions`} · exported{' '}
      <Time at={createdAt} /> by {visibleText(by[0].name, 60)}
      {reason !== undefined && (
        <>
          {' '}
          · <VisibleText text={reason} lines={false} />
        </>
      )}
    </p>
  );
}

function SessionRow({ session }: { readonly session: SessionView }) {
  const { chain, connection, statements, startedAt, endedAt, corroboration } = session;
  return (
    <div className={style['session']}>
      <span className={style['sessionLine']}>
        <Line chain={chain} connection={connection} />
      </span>
      <span className={style['quiet']}>
        {statements.toLocaleString()} {statements === 1 ? 'statement' : 'statements'}
      </span>
      <span className={style['quiet']}>{corroboration ?? 'gateway-only'}</span>
      <span className={style['quiet']}>
        <Lasting from={startedAt} {...(endedAt === undefined ? {} : { to: endedAt })} />
      </span>
      <span className={style['quiet']}>
        <Time at={startedAt} short />
      </span>
    </div>
  );
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** In words: what holds, by which key, and what a reader could take for proved and is not. */
function Report({ check }: { readonly check: BundleCheck }) {
  const { ok, problems, proved, notProved, keyFingerprint, keyName, keyGiven, signedAt } = check;
  return (
    <Alert
      className={style['report']}
      color={ok ? 'green' : 'red'}
      icon={ok ? <IconShieldCheck size={18} /> : <IconShieldX size={18} />}
      title={
        ok
          ? keyGiven
            ? 'Verified with the key that you gave'
            : 'Verified: it holds against the key inside it'
          : `${problems.length.toLocaleString()} ${problems.length === 1 ? 'problem' : 'problems'}: do not rely on it`
      }
    >
      {problems.length > 0 && (
        <List size="sm" mb="xs" className={style['problems']}>
          {problems.slice(0, 100).map(({ code, where, message }) => (
            <List.Item key={`${code} ${where} ${message}`}>
              <b>{code}</b> <VisibleText text={`${where}: ${message}`} lines={false} />
            </List.Item>
          ))}
        </List>
      )}
      <div className={style['columns']}>
        {proved.length > 0 && (
          <div>
            <h3>Proved</h3>
            <List size="sm">
              {proved.map((each) => (
                <List.Item key={each}>
                  <VisibleText text={capital(each)} lines={false} />
                </List.Item>
              ))}
            </List>
          </div>
        )}
        <div>
          <h3>Not proved</h3>
          <List size="sm">
            {notProved.map((each) => (
              <List.Item key={each}>
                <VisibleText text={capital(each)} lines={false} />
              </List.Item>
            ))}
          </List>
        </div>
      </div>
      {keyFingerprint !== '' && (
        <p className={style['fingerprint']}>
          Signed by {visibleText(keyName, 80)}
          {signedAt !== undefined && (
            <>
              {' '}
              at <Time at={signedAt} />
            </>
          )}
          : <code>{keyFingerprint}</code> <CopyButton text={keyFingerprint} label="Copy the fingerprint" />
        </p>
      )}
    </Alert>
  );
}
