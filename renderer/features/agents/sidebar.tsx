import { Button, Checkbox } from '@mantine/core';
import { IconBinaryTree } from '@tabler/icons-react';
import { workbench } from '../../ui/workbench.js';
import style from './agents.module.css';
import { FilterBox, Stale, Tree, useFilter } from './agents-view.js';
import { toggle } from './tree-view.js';
import { useRows } from './use-rows.js';

/** The same tree in the width there is; Enter shows the chosen one with everything about it. */
export function AgentsSidebar() {
  const filter = useFilter();
  const rows = useRows(filter.text, filter.onlyActive);
  return (
    <div className={style['sidebar']} data-agents>
      <div className={style['sideTools']}>
        <Checkbox
          size="xs"
          label="Only active"
          checked={filter.onlyActive}
          onChange={(event) => filter.setOnlyActive(event.currentTarget.checked)}
        />
        <Button
          size="compact-xs"
          variant="default"
          leftSection={<IconBinaryTree size={14} />}
          onClick={() => workbench().openTab('agents', {})}
        >
          Live view
        </Button>
      </div>
      <FilterBox filter={filter} label="Filter agents in the sidebar" placeholder="Filter" />
      <Stale />
      <Tree
        rows={rows}
        compact
        filter={filter}
        onOpen={(row) => {
          if (row.kind === 'group') toggle(row);
          else workbench().openTab('agents', {});
        }}
      />
    </div>
  );
}
