import { call, failureOf } from '../../bridge/index.js';
import { workbench } from '../../ui/workbench.js';
import { safeLink } from './text.js';

/** A link in a terminal was written by the target: where it leads is shown before anything is opened. */
export async function openLink(text: string): Promise<void> {
  const url = safeLink(text);
  if (url === undefined) {
    return workbench().notify({
      level: 'warning',
      title: 'This link is not opened',
      text: 'Only https addresses are, and those of this machine, without a user name in them.',
    });
  }
  const sure = await workbench().confirm({
    title: `Open ${url.host}?`,
    text: `The target wrote this address: ${url.href}`,
    button: 'Open',
    danger: false,
  });
  if (sure === undefined) return;
  try {
    await call('app.openExternal', { url: url.href });
  } catch (cause) {
    const { message, action } = failureOf(cause);
    workbench().notify({
      level: 'error',
      title: 'Not opened',
      text: action === undefined ? message : `${message}: ${action}`,
    });
  }
}
