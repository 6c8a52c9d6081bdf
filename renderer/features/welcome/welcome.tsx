import { Alert, Button, Loader, Text, TextInput } from '@mantine/core';
import {
  IconArrowRight,
  IconExternalLink,
  IconFileZip,
  IconFlask,
  IconShieldCheck,
  IconShieldExclamation,
} from '@tabler/icons-react';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { AppState, BridgeError, GatewayLook } from '../../../gateway-core/contract/bridge/app.js';
import { call, failureOf } from '../../bridge/index.js';
import { CopyLine } from '../../ui/copy-line.js';
import { ErrorState } from '../../ui/error-state.js';
import style from './welcome.module.css';

/** The first screen: which gateway, then who. */
export function Welcome({ app, evidence }: { readonly app: AppState; readonly evidence: () => void }) {
  const { gateway, signIn } = app;
  const [other, setOther] = useState(false);
  return (
    <main className={style['page']}>
      <section className={style['card']} aria-label="Welcome">
        <header>
          <h1>Throughline</h1>
          <p>Who did what, through every agent in between.</p>
        </header>
        {gateway === undefined || other || app.wanted !== undefined ? (
          <ChooseGateway
            key={app.wanted ?? ''}
            known={app.wanted ?? gateway?.url}
            look={app.wanted !== undefined}
            done={() => setOther(false)}
            {...(gateway === undefined ? {} : { back: () => setOther(false) })}
          />
        ) : signIn.state === 'pending' ? (
          <Pending url={signIn.url} />
        ) : (
          <SignIn app={app} choose={() => setOther(true)} />
        )}
        <Button
          variant="subtle"
          size="xs"
          color="gray"
          leftSection={<IconFileZip size={15} />}
          onClick={evidence}
        >
          Open evidence without a gateway
        </Button>
        <footer>
          Version {app.version}
          {app.hostReason === '' ? '' : ` · ${app.hostReason}`}
        </footer>
      </section>
    </main>
  );
}

/** Runs a call and holds what came of it. */
function useAct(): {
  readonly busy: boolean;
  readonly problem: BridgeError | undefined;
  readonly act: (work: () => Promise<void>) => void;
} {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<BridgeError>();
  return {
    busy,
    problem,
    act: (work) => {
      setBusy(true);
      setProblem(undefined);
      work()
        .catch((cause: unknown) => setProblem(failureOf(cause)))
        .finally(() => setBusy(false));
    },
  };
}

function ChooseGateway({
  known,
  look: lookAtOnce,
  done,
  back,
}: {
  readonly known: string | undefined;
  /** Without a press of the button: this start named the address. */
  readonly look: boolean;
  readonly done: () => void;
  readonly back?: () => void;
}) {
  const [url, setUrl] = useState(known ?? '');
  const [look, setLook] = useState<GatewayLook>();
  const { busy, problem, act } = useAct();
  const use = (found: GatewayLook) =>
    act(async () => {
      const pinned = found.trust === 'unknown' ? { fingerprint: found.fingerprint } : {};
      await call('app.useGateway', { url: found.url, ...pinned });
      done();
    });
  const check = () =>
    act(async () => {
      const found = await call('app.look', { url: /^https?:/i.test(url) ? url : `https://${url}` });
      if (found.trust !== 'unknown' && !found.changed) {
        await call('app.useGateway', { url: found.url });
        return done();
      }
      setLook(found);
    });
  const begun = useRef(false);
  useEffect(() => {
    if (!lookAtOnce || begun.current) return;
    begun.current = true;
    check();
  });
  if (look !== undefined) {
    return (
      <Fingerprint
        look={look}
        busy={busy}
        problem={problem}
        trust={() => use(look)}
        back={() => setLook(undefined)}
      />
    );
  }
  return (
    <>
      <form
        className={style['form']}
        onSubmit={(event) => {
          event.preventDefault();
          check();
        }}
      >
        <TextInput
          size="sm"
          label="Gateway"
          description="The address that your admin gave you."
          placeholder="https://gateway.example.com"
          data-autofocus
          value={url}
          onChange={(event) => setUrl(event.currentTarget.value)}
        />
        <Button
          type="submit"
          loading={busy}
          disabled={url.trim() === ''}
          rightSection={<IconArrowRight size={16} />}
        >
          Continue
        </Button>
      </form>
      {problem !== undefined && <ErrorState compact error={problem} />}
      <p className={style['or']}>or</p>
      <Button
        variant="default"
        leftSection={<IconFlask size={16} />}
        loading={busy}
        onClick={() =>
          act(async () => {
            await call('app.useDemo', {});
            done();
          })
        }
      >
        Try the demo on this machine
      </Button>
      {back !== undefined && (
        <Button variant="subtle" size="xs" onClick={back}>
          Back
        </Button>
      )}
    </>
  );
}

function Fingerprint({
  look,
  busy,
  problem,
  trust,
  back,
}: {
  readonly look: GatewayLook;
  readonly busy: boolean;
  readonly problem: BridgeError | undefined;
  readonly trust: () => void;
  readonly back: () => void;
}) {
  const [typed, setTyped] = useState('');
  const words = look.fingerprint.toUpperCase().replaceAll(/..(?!$)/g, '$&:');
  // A changed certificate is the moment in which somebody may stand between: one click must not be enough.
  const proof = look.fingerprint.slice(-6);
  const ready = !look.changed || typed.trim().toLowerCase() === proof;
  return (
    <>
      <Alert
        color={look.changed ? 'red' : 'yellow'}
        icon={look.changed ? <IconShieldExclamation size={18} /> : <IconShieldCheck size={18} />}
        title={
          look.changed ? 'This gateway shows another certificate than before' : 'Compare the fingerprint'
        }
      >
        <Text size="sm">
          {look.changed
            ? 'Either it was renewed, or somebody stands between you and the gateway. Ask your admin before you go on.'
            : 'Nobody whom this machine trusts vouches for it. Compare it with what your admin told you.'}
        </Text>
        <code className={style['fingerprint']}>{words}</code>
        <Text size="xs" c="dimmed">
          SHA-256 of the certificate of {look.url} ({look.subject})
        </Text>
      </Alert>
      {look.changed && (
        <TextInput
          size="sm"
          label="Type the last six characters that your admin read out"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
      )}
      {problem !== undefined && <ErrorState compact error={problem} />}
      <div className={style['row']}>
        <Button variant="default" onClick={back}>
          Back
        </Button>
        <Button loading={busy} disabled={!ready} {...(look.changed ? { color: 'red' } : {})} onClick={trust}>
          It is the same: trust it
        </Button>
      </div>
    </>
  );
}

function SignIn({ app, choose }: { readonly app: AppState; readonly choose: () => void }) {
  const { gateway, embedded } = app;
  const { busy, problem, act } = useAct();
  const unreachable = gateway?.reach === 'unreachable';
  return (
    <>
      <dl className={style['facts']}>
        <dt>Gateway</dt>
        <dd>{gateway?.url}</dd>
        {gateway?.name !== undefined && (
          <>
            <dt>Name</dt>
            <dd>{gateway.name}</dd>
          </>
        )}
      </dl>
      {gateway?.demo === true && <DemoNote accounts={embedded?.accounts ?? []} />}
      {unreachable && gateway.problem !== undefined && (
        <ErrorState compact error={gateway.problem} retry={() => void call('app.reconnect', {})} />
      )}
      {problem !== undefined && <ErrorState compact error={problem} />}
      <Button
        size="md"
        data-autofocus
        loading={busy}
        disabled={unreachable}
        rightSection={<IconExternalLink size={16} />}
        onClick={() =>
          act(async () => {
            await call('app.signIn', {});
          })
        }
      >
        Sign in with the browser
      </Button>
      <Button variant="subtle" size="xs" onClick={choose}>
        Another gateway
      </Button>
    </>
  );
}

function DemoNote({ accounts }: { readonly accounts: readonly string[] }): ReactNode {
  return (
    <div className={style['demo']}>
      <Text size="sm">
        This is the demo: it runs on this machine as your own user, so nothing is separated from you here. The
        sign-in page offers its accounts
        {accounts.length === 0 ? '' : `: ${accounts.join(', ')}`}.
      </Text>
    </div>
  );
}

function Pending({ url }: { readonly url: string }) {
  return (
    <div className={style['pending']} role="status">
      <Loader size="sm" />
      <p>Sign in on the page that has opened in your browser.</p>
      <Text size="xs" c="dimmed">
        Nothing opened? Open this address yourself:
      </Text>
      <CopyLine text={url} label="Copy the address" />
      <Button variant="default" size="xs" onClick={() => void call('app.cancelSignIn', {})}>
        Cancel
      </Button>
    </div>
  );
}
