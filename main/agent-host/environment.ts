/**
 * Variables that change what a Node process loads, trusts or listens on, and those that npm and Electron set for their
 * own children. None of them is meant for a process that holds sign-ins and tunnels.
 */
const stripped =
  /^(NODE_(OPTIONS|PATH|DEBUG.*|REPL_.*|V8_COVERAGE|INSPECT.*|TLS_REJECT_UNAUTHORIZED|PRESERVE_SYMLINKS.*|CHANNEL_.*|UNIQUE_ID|ICU_DATA|REDIRECT_WARNINGS)|ELECTRON_.*|npm_.*|INIT_CWD)$/i;

/** What a child process of the host gets of the host's environment. */
export function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !stripped.test(name)));
}
