import type { IpcMain, IpcMainEvent, WebContents } from 'electron';
import { bridgeChannels } from '../../gateway-core/contract/bridge/wire.js';
import type { Dispatcher, WindowLink } from '../ipc/dispatcher.js';
import { isAppUrl } from './protocol.js';

/**
 * The bridge over Electron's IPC. Only the top frame of a page of the app's own origin is heard; a page that is loaded
 * anew, or dies, is another window to the dispatcher.
 */
export function bridgeWindows(
  ipcMain: IpcMain,
  dispatcher: Dispatcher,
  complain: (what: string) => void,
): void {
  const links = new Map<WebContents, WindowLink>();
  const linkOf = (contents: WebContents): WindowLink => {
    const known = links.get(contents);
    if (known !== undefined) return known;
    const link = dispatcher.attach((message) => {
      if (!contents.isDestroyed()) contents.send(bridgeChannels.toRenderer, message);
    });
    const end = (): void => {
      if (links.get(contents) !== link) return;
      links.delete(contents);
      link.close();
    };
    contents.once('destroyed', end);
    contents.once('render-process-gone', end);
    contents.once('did-navigate', end);
    links.set(contents, link);
    return link;
  };
  ipcMain.on(bridgeChannels.toHost, (event, message: unknown) => {
    if (!isOwnTopFrame(event)) return complain('a message of a frame that is not the app was dropped');
    if (linkOf(event.sender).receive(message) === 'violation') {
      complain('the page sent a message of no known shape');
    }
  });
}

function isOwnTopFrame({ senderFrame, sender }: IpcMainEvent): boolean {
  return senderFrame !== null && senderFrame === sender.mainFrame && isAppUrl(senderFrame.url);
}
