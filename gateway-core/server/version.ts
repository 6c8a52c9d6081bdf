import { readFileSync } from 'node:fs';

/** package.json stands three folders up from the compiled file, two from the source. */
function read(): string {
  for (const place of ['../../package.json', '../../../package.json']) {
    try {
      const json = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (json.name === 'throughline' && json.version !== undefined) return json.version;
    } catch {
      // Not there: the other place.
    }
  }
  return '0.0.0';
}

export const version = read();
