import { hash } from 'node:crypto';

/** Stand-in until the viewer's build is there. */
export function viewerTemplate(): {
  readonly before: string;
  readonly after: string;
  readonly sha256: string;
} {
  const [before, after] = ['<!doctype html><meta charset="utf-8"><title>Evidence</title>\n', '\n'];
  return { before, after, sha256: hash('sha256', `${before}${after}`, 'hex') };
}
