import type { ServerChannel } from 'ssh2';

export interface ShellSize {
  columns: number;
  rows: number;
}

/** CPR, ECMA-48 8.3.14. */
const cursorReport = new RegExp(`${String.fromCharCode(27)}\\[\\d+;\\d+R`, 'g');

/**
 * A shell that answers the same each time: it echoes as a terminal does and knows a handful of commands. `flood` writes
 * until Ctrl-C, and counts what the channel has taken.
 */
export class ScriptedShell {
  readonly #channel: ServerChannel;
  readonly size: ShellSize;
  readonly lines: string[] = [];
  /** How often the terminal said where its cursor is. */
  reports = 0;
  #line = '';
  #flooding = false;
  /** Bytes that `flood` has written. */
  flooded = 0;

  constructor(channel: ServerChannel, size: ShellSize) {
    this.#channel = channel;
    this.size = size;
    channel.on('data', (bytes: Buffer) => this.#hear(bytes.toString('utf8')));
    channel.write('welcome to the target\r\n$ ');
  }

  resized(size: ShellSize): void {
    Object.assign(this.size, size);
  }

  write(text: string): void {
    this.#channel.write(text);
  }

  exit(status: number): void {
    this.#channel.exit(status);
    this.#channel.end();
  }

  #hear(bytes: string): void {
    const text = bytes.replaceAll(cursorReport, () => {
      this.reports += 1;
      return '';
    });
    for (const letter of text) this.#key(letter);
  }

  #key(letter: string): void {
    if (letter === '\u0003') {
      this.#flooding = false;
      this.#line = '';
      this.#channel.write('^C\r\n$ ');
    } else if (letter === '\u007f') {
      if (this.#line !== '') this.#channel.write('\b \b');
      this.#line = this.#line.slice(0, -1);
    } else if (letter === '\r') {
      this.#channel.write('\r\n');
      const line = this.#line;
      this.#line = '';
      this.lines.push(line);
      this.#run(line);
    } else if (letter >= ' ') {
      this.#line += letter;
      this.#channel.write(letter);
    }
  }

  #run(line: string): void {
    const [word = '', ...rest] = line.split(' ');
    const text = rest.join(' ');
    const commands: Record<string, () => void> = {
      exit: () => this.exit(Number(text || 0)),
      size: () => this.#say(`${this.size.columns}x${this.size.rows}`),
      echo: () => this.#say(text),
      title: () => this.#channel.write(`\u001b]0;${text}\u0007`),
      clipboard: () => this.#channel.write(`\u001b]52;c;${Buffer.from(text).toString('base64')}\u0007`),
      bell: () => this.#channel.write('\u0007'),
      bracketed: () => this.#channel.write('\u001b[?2004h'),
      where: () => this.#channel.write('\u001b[6n'),
      lines: () => {
        for (let number = 1; number <= Number(text); number += 1) this.#say(`line ${number}`);
      },
      warn: () => this.#channel.stderr.write(`${text}\n`),
      flood: () => {
        this.#flooding = true;
        this.#flood();
      },
    };
    if (word !== '' && commands[word] === undefined) this.#say(`${word}: command not found`);
    commands[word]?.();
    if (word !== 'exit' && word !== 'flood') this.#channel.write('$ ');
  }

  #say(text: string): void {
    this.#channel.write(`${text}\r\n`);
  }

  #flood(): void {
    const block = 'y\r\n'.repeat(4096);
    const go = (): void => {
      if (!this.#flooding || this.#channel.destroyed) return;
      this.flooded += block.length;
      if (this.#channel.write(block)) setImmediate(go);
      else this.#channel.once('drain', go);
    };
    go();
  }
}
