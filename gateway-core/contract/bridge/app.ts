import { z } from 'zod';
import { Timestamp } from '../ids.js';

/** Which shell shows the app. They differ in what stands around it, never in what it does. */
export const HostKind = z.enum(['electron', 'browser']);
export type HostKind = z.infer<typeof HostKind>;

/** An error as the renderer shows it: stable code, what happened, what to do. */
export const BridgeError = z.object({
  code: z.string().max(64),
  message: z.string(),
  action: z.string().optional(),
  fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
});
export type BridgeError = z.infer<typeof BridgeError>;

/** What is recorded about the person, and for how long: told at the first sign-in and in Settings. */
export const RecordingNotice = z.object({
  /** Days that recordings are kept; nothing: until somebody deletes them. The audit log itself is never deleted. */
  recordingDays: z.number().int().positive().optional(),
  /** One sentence each, in the order in which they are read. */
  what: z.array(z.string()),
  /** Who may see it, one sentence. */
  who: z.string(),
});
export type RecordingNotice = z.infer<typeof RecordingNotice>;

export const SignInState = z.discriminatedUnion('state', [
  z.object({ state: z.literal('signed-out') }),
  /** The system browser is asked; `url` is the loopback address that leads there, for a browser that did not open. */
  z.object({ state: z.literal('pending'), url: z.string() }),
  z.object({
    state: z.literal('signed-in'),
    principal: z.string(),
    groups: z.array(z.string()),
    /** Actions of contract/decision.ts that are not bound to one connection, as policy has it now. */
    may: z.array(z.string()),
    deviceKey: z.string(),
    /** keyring: the system's; file: sealed by a key in a second file, weaker; memory: gone with the app. */
    storage: z.enum(['keyring', 'file', 'memory']),
    /** The recording notice of this gateway was not yet read by this person on this device. */
    noticeUnread: z.boolean(),
  }),
]);
export type SignInState = z.infer<typeof SignInState>;

export const GatewayState = z.object({
  url: z.string(),
  name: z.string().optional(),
  version: z.string().optional(),
  /** A demo gateway: one user of this machine owns both sides, and the interface says so. */
  demo: z.boolean(),
  reach: z.enum(['connected', 'connecting', 'unreachable']),
  /** Why it is not connected. */
  problem: BridgeError.optional(),
  /** This machine's clock less the gateway's. */
  clockSkewMs: z.number().optional(),
  logKey: z.string().optional(),
  notice: RecordingNotice.optional(),
});
export type GatewayState = z.infer<typeof GatewayState>;

/** What this desktop has recorded of its own side and not yet brought to the gateway. */
export const SpoolState = z.object({
  /** False: nothing more can be kept; `trouble` says why. */
  working: z.boolean(),
  trouble: z.string().optional(),
  records: z.number().int().nonnegative(),
  bytes: z.number().int().nonnegative(),
  /** When the oldest record that waits was written. */
  oldestAt: Timestamp.optional(),
  /** Why nothing goes through right now. */
  waiting: z.string().optional(),
  /** What the gateway will not take, or what stands in quarantine. Nothing of it is deleted. */
  refused: z.array(z.object({ segment: z.number().int(), reason: z.string() })),
  /** Sessions of this run that this desktop has no record of: it could not keep one, or the gateway takes none. */
  unrecorded: z.number().int().nonnegative().optional(),
});
export type SpoolState = z.infer<typeof SpoolState>;

/** The gateway's log does not hold what this desktop holds of it. */
export const LogConflict = z.object({ at: Timestamp, why: z.string() });
export type LogConflict = z.infer<typeof LogConflict>;

/** Everything about the app that stands outside a view. One value, so that nothing can disagree. */
export const AppState = z.object({
  host: HostKind,
  /** Why this host: "the Electron runtime is not installed". Empty for the usual one. */
  hostReason: z.string(),
  version: z.string(),
  platform: z.string(),
  /** The agent process: tunnels, sign-in and SQL sessions live there. */
  agent: z.enum(['running', 'starting', 'stopped']),
  gateway: GatewayState.optional(),
  signIn: SignInState,
  /** Of the gateway above. */
  spool: SpoolState.optional(),
  logConflict: LogConflict.optional(),
  /** The gateway that this start was told to go to, while nobody has said that its certificate is the right one. */
  wanted: z.string().optional(),
  /** The gateway that this app runs itself, once the demo was started. */
  embedded: z.object({ url: z.string(), accounts: z.array(z.string()) }).optional(),
});
export type AppState = z.infer<typeof AppState>;

/** What the first screen shows of an address before anything is sent there. */
export const GatewayLook = z.object({
  url: z.string(),
  /** SHA-256 of the certificate, hex. */
  fingerprint: z.string(),
  subject: z.string(),
  /** system: an authority of this machine vouches for it; pinned: the person did, earlier; local: our own `up`. */
  trust: z.enum(['system', 'pinned', 'local', 'unknown']),
  /** The fingerprint pinned earlier is another one: somebody stands between, or the gateway got a new certificate. */
  changed: z.boolean(),
  validUntil: Timestamp.optional(),
  demo: z.boolean().optional(),
  name: z.string().optional(),
});
export type GatewayLook = z.infer<typeof GatewayLook>;

/** A line that is kept on this device, to be put into a terminal. */
export const Snippet = z.object({ name: z.string().min(1).max(80), text: z.string().min(1).max(8000) });
export type Snippet = z.infer<typeof Snippet>;

/** `app`: the colours of the app around it, light or dark. */
export const terminalThemes = ['app', 'slate', 'paper', 'solarized', 'contrast'] as const;

/** Plain preferences. Never a secret, never a statement. */
export const Preferences = z.object({
  theme: z.enum(['system', 'dark', 'light']),
  /** Percent, 80 to 200. */
  zoom: z.number().int().min(80).max(200),
  editorFontSize: z.number().int().min(9).max(32),
  editorFontLigatures: z.boolean(),
  wordWrap: z.boolean(),
  autocommit: z.boolean(),
  nullText: z.string().max(16),
  /** Rows loaded into a grid before loading pauses and asks. */
  resultRowsMax: z.number().int().min(100).max(5_000_000),
  exportDirectory: z.string().max(4096),
  terminalFontSize: z.number().int().min(8).max(40),
  terminalTheme: z.enum(terminalThemes),
  /** Lines above the screen that are kept. */
  terminalScrollback: z.number().int().min(0).max(200_000),
  terminalCopyOnSelect: z.boolean(),
  /** A bell is shown, never heard; false: not even that. */
  terminalBell: z.boolean(),
  /** What stands in a terminal is also there as text, for programs that read the screen aloud. Costs speed. */
  terminalScreenReader: z.boolean(),
  snippets: z.array(Snippet).max(200),
  reducedMotion: z.boolean(),
  /** Command id -> key chord, `Mod+Shift+P`; only those that differ from the defaults. */
  shortcuts: z.record(z.string().max(64), z.string().max(64)),
  railExpanded: z.boolean(),
  sidebarWidth: z.number().int().min(160).max(800),
  inspectorOpen: z.boolean(),
  /** The system starts the app, without a window, when the person signs in to it. Only an installed app can. */
  startAtLogin: z.boolean(),
  /** Open a tunnel for these connections whenever signed in. */
  tunnels: z.array(z.string().max(63)).max(1000),
});
export type Preferences = z.infer<typeof Preferences>;

export const defaultPreferences: Preferences = {
  theme: 'system',
  zoom: 100,
  editorFontSize: 13,
  editorFontLigatures: false,
  wordWrap: false,
  autocommit: true,
  nullText: 'NULL',
  resultRowsMax: 1_000_000,
  exportDirectory: '',
  terminalFontSize: 13,
  terminalTheme: 'app',
  terminalScrollback: 10_000,
  terminalCopyOnSelect: false,
  terminalBell: true,
  terminalScreenReader: false,
  snippets: [],
  reducedMotion: false,
  shortcuts: {},
  railExpanded: false,
  sidebarWidth: 240,
  inspectorOpen: false,
  startAtLogin: false,
  tunnels: [],
};

/** Longest workspace that is kept: tabs, layout and unsaved text. */
export const workspaceBytesMax = 32 * 1024 * 1024;
/** A saved query's name: also its file's name, less `.sql`. */
export const QueryName = z
  .string()
  .min(1)
  .max(120)
  .regex(/^[^/\\:*?"<>|\p{Cc}.][^/\\:*?"<>|\p{Cc}]*$/u, 'no slashes, no control characters, no leading dot');
export const SavedQuery = z.object({ name: QueryName, bytes: z.number().int(), changedAt: Timestamp });
export type SavedQuery = z.infer<typeof SavedQuery>;
