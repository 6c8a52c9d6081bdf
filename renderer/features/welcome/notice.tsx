import { Button } from '@mantine/core';
import { IconEye } from '@tabler/icons-react';
import { useState } from 'react';
import type { BridgeError, RecordingNotice } from '../../../gateway-core/contract/bridge/app.js';
import { call, failureOf } from '../../bridge/index.js';
import { ErrorState } from '../../ui/error-state.js';
import { RecordingNoticeText } from '../../ui/recording-notice.js';
import style from './welcome.module.css';

/** Told once, before the first work: what is recorded about the person, who sees it, and for how long. */
export function Notice({ notice }: { readonly notice: RecordingNotice }) {
  const [problem, setProblem] = useState<BridgeError>();
  return (
    <main className={style['page']}>
      <section className={style['card']} aria-label="What is recorded">
        <header>
          <h1>
            <IconEye size={20} aria-hidden /> What is recorded about you
          </h1>
        </header>
        <RecordingNoticeText notice={notice} />
        {problem !== undefined && <ErrorState compact error={problem} />}
        <Button
          data-autofocus
          onClick={() => {
            call('app.acknowledgeNotice', {}).catch((cause: unknown) => setProblem(failureOf(cause)));
          }}
        >
          I have read this
        </Button>
        <footer>It stands in Settings, too.</footer>
      </section>
    </main>
  );
}
