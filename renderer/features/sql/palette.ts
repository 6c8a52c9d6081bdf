import { IconFileText, IconTable } from '@tabler/icons-react';
import { call } from '../../bridge/index.js';
import { visibleText } from '../../ui/visible-text.js';
import { type PaletteEntry, workbench } from '../../ui/workbench.js';
import { useCatalogs } from './catalogs.js';
import { activeSqlTab } from './tabs.js';
import { written } from './text/words.js';

const entriesMax = 15;

/** Saved queries, and tables of the schemas that were read. */
export async function paletteEntries(text: string): Promise<readonly PaletteEntry[]> {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return [];
  return [...(await queries(wanted)), ...tables(wanted)];
}

async function queries(wanted: string): Promise<PaletteEntry[]> {
  try {
    const { queries: saved } = await call('queries.list', {});
    const connection = activeSqlTab()?.state.getState().connection ?? '';
    return saved
      .filter(({ name }) => name.toLowerCase().includes(wanted))
      .slice(0, entriesMax)
      .map(({ name }) => ({
        id: `query ${name}`,
        title: name,
        detail: 'saved query',
        group: 'Saved queries',
        icon: IconFileText,
        run: () => workbench().openTab('sql', { connection, query: name }),
      }));
  } catch {
    return [];
  }
}

function tables(wanted: string): PaletteEntry[] {
  const entries: PaletteEntry[] = [];
  for (const [connection, { schema }] of useCatalogs.getState().known) {
    for (const { schema: inSchema, name, kind } of schema?.objects ?? []) {
      if (entries.length >= entriesMax) return entries;
      if (kind === 'sequence' || !name.toLowerCase().includes(wanted)) continue;
      entries.push({
        id: `table ${connection} ${inSchema} ${name}`,
        title: visibleText(name),
        detail: visibleText(`${kind} in ${inSchema}, ${connection}`),
        group: 'Tables',
        icon: IconTable,
        run: () => {
          const query = `select * from ${written(inSchema)}.${written(name)} limit 100;`;
          workbench().openTab('sql', { connection, text: query });
        },
      });
    }
  }
  return entries;
}
