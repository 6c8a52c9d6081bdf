import type { VerifyReport } from '../contract/api.js';

/** What `up` was told; what is missing is the config file's, then the gateway's own default. */
export interface StartOptions {
  readonly demo: boolean;
  readonly json: boolean;
  readonly dataDir?: string;
  readonly keysDir?: string;
  readonly listen?: { readonly host: string; readonly port: number };
  readonly configFile?: string;
}

export interface StartedGateway {
  /** The line of `up --json`. */
  readonly ready: {
    readonly url: string;
    /** Path of a PEM file. */
    readonly ca: string;
    readonly listeners: Readonly<Record<string, string>>;
    readonly demoSecret?: string | undefined;
  };
  /** Ends sessions in order, then closes. */
  close(): Promise<void>;
  /** Resolves once closed, rejects when the gateway failed. */
  readonly closed: Promise<unknown>;
}

/** The two things that the command does without a gateway to talk to. */
export interface GatewayServer {
  startGateway(options: StartOptions): Promise<StartedGateway>;
  verifyLog(options: { readonly dataDir: string }): Promise<VerifyReport>;
}

/** The server is large: it is loaded by these two only. `threads`: the gateway's own begin to load beside it. */
export async function loadServer(options: { readonly threads: boolean }): Promise<GatewayServer> {
  if (options.threads) {
    const { loadThreads } = await import('../server/threads.js');
    loadThreads();
  }
  return import('../server/main.js');
}
