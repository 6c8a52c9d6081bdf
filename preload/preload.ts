import { contextBridge, ipcRenderer } from 'electron';
import { bridgeChannels, bridgeName } from '../gateway-core/contract/bridge/names.js';
import type { BridgePort } from '../gateway-core/contract/bridge/wire.js';

/** Puts the bridge's two channels on the page's window and nothing else: what goes over them is the host's to judge. */
const port: BridgePort = {
  send: (message) => ipcRenderer.send(bridgeChannels.toHost, message),
  listen: (receive) => {
    const hear = (_event: unknown, message: unknown): void => receive(message);
    ipcRenderer.on(bridgeChannels.toRenderer, hear);
    return () => ipcRenderer.off(bridgeChannels.toRenderer, hear);
  },
};

contextBridge.exposeInMainWorld(bridgeName, port);
