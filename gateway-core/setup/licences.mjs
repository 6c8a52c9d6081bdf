/** What a bundle owes to the packages that it took in: their licences, in a file beside it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const licencesFile = 'THIRD-PARTY-LICENSES.txt';

/** The text of that file for what a bundler wrote, and for packages that it took in otherwise. Throws for a package that does not say its licence. */
export function licencesIn(output, more = []) {
  const chunks = output.filter((file) => file.type === 'chunk');
  const folders = packagesOf(chunks.flatMap((chunk) => Object.keys(chunk.modules)));
  const others = more.map((name) => fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url)));
  return licencesOf([...folders, ...others]);
}

/** Folders of the packages that the modules come from. */
function packagesOf(modules) {
  const folder = /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+(?=[\\/])/;
  const found = modules.flatMap((module) => folder.exec(module) ?? []);
  return [...new Set(found)].sort((a, b) => (a < b ? -1 : 1));
}

function licencesOf(packages) {
  const parts = packages.map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const texts = readdirSync(folder)
      .filter((file) => /^(licen[cs]e|notice|copying|third-?party-?notices)(\.(md|txt))?$/i.test(file))
      .map((file) => readFileSync(join(folder, file), 'utf8').trim());
    if (texts.length === 0 && license === undefined) throw new Error(`${name} has no licence`);
    return [`${name} ${version} (${license})`, ...texts].join('\n\n');
  });
  return `${parts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}
