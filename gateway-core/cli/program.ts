import { Command, CommanderError, Option } from 'commander';
import type { Input } from './context.js';
import { type CommandSpec, groups, specs } from './specs.js';

/** What the arguments mean. */
export type Parsed =
  | { readonly kind: 'run'; readonly spec: CommandSpec; readonly input: Input }
  /** Help or version, already written; exit status 0. */
  | { readonly kind: 'shown' }
  | { readonly kind: 'usage'; readonly message: string; readonly spec: CommandSpec | undefined };

export interface Writers {
  readonly out: (text: string) => void;
  readonly columns: number;
}

/** Reads the arguments after the program's name. Writes help where it is asked for; runs nothing. */
export function parseArguments(argv: readonly string[], version: string, writers: Writers): Parsed {
  let found: Parsed | undefined;
  const root = configured(new Command('throughline'), writers)
    .description('Access to databases and servers, attributed, recorded and proved.')
    .version(version, '--version', 'print the version')
    .helpCommand(false)
    .addHelpText('after', '\nStart here:\n  throughline up --demo\n  throughline COMMAND --help');
  for (const spec of specs) {
    describe(commandFor(root, spec.name, writers), spec, (input) => {
      found = { kind: 'run', spec, input };
    });
  }
  try {
    root.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'shown' };
    return { kind: 'usage', message: usageMessage(error), spec: specFor(argv) };
  }
  return found ?? { kind: 'shown' };
}

function configured(command: Command, writers: Writers): Command {
  return command
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({
      writeOut: writers.out,
      // Errors are written by main, in the form that was asked for.
      writeErr: () => undefined,
      getOutHelpWidth: () => writers.columns,
      getErrHelpWidth: () => writers.columns,
      getOutHasColors: () => false,
    })
    .helpOption('--help', 'show this');
}

/** The command at the end of a path of words; groups on the way are made when they are missing. */
function commandFor(root: Command, name: string, writers: Writers): Command {
  const words = name.split(' ');
  return words.reduce((parent, word, at) => {
    const known = parent.commands.find((command) => command.name() === word);
    if (known !== undefined) return known;
    const path = words.slice(0, at + 1).join(' ');
    const made = configured(new Command(word), writers).helpCommand(false);
    const summary = groups[path];
    if (summary !== undefined) made.description(sentence(summary)).summary(summary);
    parent.addCommand(made, { hidden: specs.some((spec) => spec.name === path && spec.hidden === true) });
    return made;
  }, root);
}

function describe(command: Command, spec: CommandSpec, chosen: (input: Input) => void): void {
  const details = spec.details === undefined ? '' : `\n\n${spec.details}`;
  command.summary(spec.summary).description(`${sentence(spec.summary)}${details}`);
  for (const { name, summary } of spec.arguments ?? [])
    command.argument(name.startsWith('[') ? name : `<${name}>`, summary);
  for (const { flags, summary, required } of spec.options ?? []) {
    const option = new Option(flags.replace(/ (\S+)$/, ' <$1>'), summary);
    command.addOption(option.makeOptionMandatory(required === true));
  }
  const examples = spec.examples.map((example) => `  ${example}`).join('\n');
  if (examples !== '') command.addHelpText('after', `\nExamples:\n${examples}`);
  command.action(() => chosen(inputOf(command)));
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function inputOf(command: Command): Input {
  const options = command.opts<Record<string, unknown>>();
  const value = (name: string): unknown =>
    options[name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
  return {
    arguments: command.args,
    text: (name) => {
      const text = value(name);
      return typeof text === 'string' ? text : undefined;
    },
    flag: (name) => value(name) === true,
  };
}

/** Commander's first line without its prefix; its suggestion stays. */
function usageMessage(error: CommanderError): string {
  // A group without a command: commander shows help and says nothing.
  if (error.code === 'commander.help') return 'a command is missing';
  return error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
}

/** The longest command that the arguments start with: says which help to name. */
export function specFor(argv: readonly string[]): CommandSpec | undefined {
  return specs
    .filter(({ name }) => name.split(' ').every((word, at) => argv[at] === word))
    .sort((a, b) => b.name.length - a.name.length)[0];
}
