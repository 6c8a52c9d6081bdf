import { Button } from '@mantine/core';
import { IconArrowLeft } from '@tabler/icons-react';
import { useState } from 'react';
import { BundlePage } from './bundle-view.js';
import { Bundles } from './bundles.js';
import style from './evidence.module.css';

/** Evidence where nobody is signed in and no gateway answers: for an auditor on a train. */
export function OfflineEvidence({ leave }: { readonly leave: () => void }) {
  const [name, setName] = useState<string>();
  return (
    <main className={style['offline']}>
      <header className={style['offlineBar']}>
        <Button
          size="compact-sm"
          variant="subtle"
          leftSection={<IconArrowLeft size={15} />}
          onClick={() => (name === undefined ? leave() : setName(undefined))}
        >
          {name === undefined ? 'Back' : 'All bundles'}
        </Button>
        <h1>Evidence, without a gateway</h1>
      </header>
      {name === undefined ? <Bundles open={setName} /> : <BundlePage key={name} name={name} />}
    </main>
  );
}
