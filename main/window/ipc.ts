import type { IpcMain, IpcMainEvent, WebContents } from 'electron';
import { bridgeChannels } from '../../gateway-core/contract/bridge/wire.js';
import type { Dispatcher, WindowLink } from '../ipc/dispatcher.js';
import { isAppUrl } from './protocol.js';

/** A page as the bridge knows it, from its first message until it is loaded anew. */
interface Page {
  readonly link: WindowLink;
  /** It sent what no page of ours sends: it is heard no more. */
  cut: boolean;
}

/**
 * The bridge over Electron's IPC. Only the top frame of a page of the app's own origin is heard; a page that is loaded
 * anew, or dies, is another window to the dispatcher.
 */
export function bridgeWindows(
  ipcMain: IpcMain,
  dispatcher: Dispatcher,
  complain: (what: string) => void,
): void {
  const pages = new Map<WebContents, Page>();
  const pageOf = (contents: WebContents): Page => {
    const known = pages.get(contents);
    if (known !== undefined) return known;
    const link = dispatcher.attach((message) => {
      if (!contents.isDestroyed()) contents.send(bridgeChannels.toRenderer, message);
    });
    const end = (): void => {
      contents.off('destroyed', end);
      contents.off('render-process-gone', end);
      contents.off('did-navigate', end);
      pages.delete(contents);
      link.close();
    };
    contents.on('destroyed', end);
    contents.on('render-process-gone', end);
    contents.on('did-navigate', end);
    const page = { link, cut: false };
    pages.set(contents, page);
    return page;
  };
  ipcMain.on(bridgeChannels.toHost, (event, message: unknown) => {
    if (!isOwnTopFrame(event)) return complain('a message of a frame that is not the app was dropped');
    const page = pageOf(event.sender);
    if (page.cut || page.link.receive(message) === 'taken') return;
    page.cut = true;
    page.link.close();
    complain('the page sent a message of no known shape; it is heard again when it is loaded anew');
  });
}

function isOwnTopFrame({ senderFrame, sender }: IpcMainEvent): boolean {
  return senderFrame !== null && senderFrame === sender.mainFrame && isAppUrl(senderFrame.url);
}
