import type { VerifyReport } from '../contract/api.js';
import { readConfig } from './config.js';
import { type GatewayOptions, startComposed } from './gateway.js';
import { verifyDataDirectory } from './verify.js';

export interface StartOptions {
  readonly demo: boolean;
  readonly json: boolean;
  readonly dataDir?: string;
  readonly keysDir?: string;
  readonly listen?: { readonly host: string; readonly port: number };
  readonly configFile?: string;
}

export interface StartedGateway {
  readonly ready: {
    readonly url: string;
    readonly ca: string;
    readonly listeners: Readonly<Record<string, string>>;
    readonly demoSecret?: string | undefined;
  };
  close(): Promise<void>;
  readonly closed: Promise<void>;
}

/** Starts a gateway in this process; resolves when it accepts connections. Flags win over the config file. */
export async function startGateway(options: StartOptions): Promise<StartedGateway> {
  const config = readConfig(options.configFile);
  const settings: GatewayOptions = {
    demo: options.demo,
    config,
    ...((options.dataDir ?? config.data) === undefined ? {} : { data: options.dataDir ?? config.data }),
    ...((options.keysDir ?? config.keys) === undefined ? {} : { keys: options.keysDir ?? config.keys }),
    ...(options.listen === undefined ? {} : { listen: options.listen }),
    log: (line) => process.stderr.write(`${line}\n`),
  };
  return startComposed(settings);
}

/** `log verify --data DIR`: the whole audit log and the recordings of a gateway that does not run. */
export function verifyLog(options: { readonly dataDir: string }): Promise<VerifyReport> {
  return Promise.resolve().then(() => verifyDataDirectory(options.dataDir));
}
