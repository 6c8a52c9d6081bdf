import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Person } from './harness.js';
import { createScope, type Outcome, run, until } from './processes.js';
import { type SshStack, startSshStack } from './ssh-stack.js';

/** Ansible starts ssh, sftp and scp by itself, many times, and feeds Python to them. */
const scope = createScope();
let engineer: Person;
let flags: SshStack['flags'];

beforeAll(async () => {
  ({ engineer, flags } = await startSshStack(scope));
});
afterAll(() => scope.close());

describe('Ansible', () => {
  const playbook = (target: string, facts: boolean): string => `
- hosts: all
  gather_facts: ${facts}
  become: false
  tasks:
    - name: a command
      ansible.builtin.command: echo from-the-host
      register: said
    - name: a file as it is
      ansible.builtin.copy: {content: "one\\ntwo\\n", dest: "${target}/copied", mode: "0640"}
    - name: a file from a template
      ansible.builtin.template: {src: greeting.j2, dest: "${target}/greeting"}
    - name: a file from there to here
      ansible.builtin.fetch: {src: "${target}/greeting", dest: "${target}/fetched", flat: true}
`;

  /** Plays as a person does. */
  async function play(directory: string, env: Readonly<Record<string, string>>): Promise<Outcome> {
    const tool = ['ansible-playbook', '-i', join(directory, 'hosts'), join(directory, 'play.yml')];
    return engineer.cli(['exec', 'host', '--', ...tool], {
      env: { HOME: directory, ANSIBLE_REMOTE_TMP: join(directory, 'tmp'), ANSIBLE_NOCOWS: '1', ...env },
      timeoutMs: 240_000,
    });
  }

  function written(facts: boolean): { readonly directory: string; readonly target: string } {
    const directory = scope.directory();
    const target = join(directory, 'target');
    mkdirSync(target);
    writeFileSync(join(directory, 'play.yml'), playbook(target, facts));
    writeFileSync(
      join(directory, 'greeting.j2'),
      'hello {{ inventory_hostname }} {{ said.stdout }} {{ 6 * 7 }}\n',
    );
    writeFileSync(join(directory, 'hosts'), 'host ansible_python_interpreter=/usr/bin/python3\n');
    return { directory, target };
  }

  it.each([
    ['with files for its modules', false, { ANSIBLE_PIPELINING: '0' }],
    ['with pipelining', true, { ANSIBLE_PIPELINING: '1' }],
    ['with scp for its modules', false, { ANSIBLE_PIPELINING: '0', ANSIBLE_SSH_TRANSFER_METHOD: 'scp' }],
  ])(
    'plays a play %s, and what it did is found',
    async (_way, facts, env) => {
      const { directory, target } = written(facts);
      const { stdout, stderr, status } = await play(directory, env);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(/changed=4\s+unreachable=0\s+failed=0/);
      for (const file of ['greeting', 'fetched'])
        expect(readFileSync(join(target, file), 'utf8')).toBe('hello host from-the-host 42\n');
      expect(readFileSync(join(target, 'copied'), 'utf8')).toBe('one\ntwo\n');
      const found = await until('it is found', async () => {
        const hits = await engineer.json<{ text: string }[]>(['search', 'greeting']);
        return hits.find(({ text }) => text.includes(target));
      });
      expect(found.text).toContain(`${target}/greeting`);
    },
    300_000,
  );

  it('that plays again, over a connection that it shares as it does by itself, changes nothing but what it runs', async () => {
    const { directory } = written(false);
    const shared = `ControlMaster=auto -o ControlPersist=5s -o ControlPath=${directory}/control`;
    const env = {
      HOME: directory,
      ANSIBLE_REMOTE_TMP: join(directory, 'tmp'),
      ANSIBLE_SSH_ARGS: `${flags(engineer).join(' ')} -o ${shared}`,
    };
    const tool = ['-i', join(directory, 'hosts'), join(directory, 'play.yml')];
    const once = (): Promise<Outcome> => run('ansible-playbook', tool, { env, timeoutMs: 240_000 });
    const plays = [await once(), await once()];
    expect(plays.map(({ stderr }) => stderr)).toEqual(['', '']);
    expect(plays[0]?.stdout).toMatch(/changed=4\s+unreachable=0\s+failed=0/);
    expect(plays[1]?.stdout).toMatch(/changed=1\s+unreachable=0\s+failed=0/);
  }, 300_000);
});
