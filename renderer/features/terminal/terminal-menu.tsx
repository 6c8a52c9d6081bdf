import { Menu, Portal } from '@mantine/core';
import {
  IconClipboard,
  IconCopy,
  IconEraser,
  IconPalette,
  IconSearch,
  IconSelectAll,
} from '@tabler/icons-react';
import { Shortcut } from '../../ui/shortcut.js';
import { pasteFromClipboard } from './clipboard.js';
import { useTerminal, useTerminalState } from './context.js';

/** What a right click offers. */
export function TerminalMenu() {
  const tab = useTerminal();
  const at = useTerminalState((state) => state.menu);
  if (at === undefined) return null;
  const selected = (tab.screen?.selection ?? '') !== '';
  const close = () => tab.state.setState({ menu: undefined });
  return (
    <Portal>
      <Menu opened onClose={close} position="bottom-start" offset={0} shadow="md" returnFocus={false}>
        <Menu.Target>
          <span style={{ position: 'fixed', left: at.x, top: at.y, width: 1, height: 1 }} />
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            disabled={!selected}
            leftSection={<IconCopy size={15} />}
            rightSection={<Shortcut command="terminal.copy" />}
            onClick={() => tab.copySelection()}
          >
            Copy
          </Menu.Item>
          <Menu.Item
            disabled={!selected}
            leftSection={<IconPalette size={15} />}
            onClick={() => void tab.copyWithColours()}
          >
            Copy with colours
          </Menu.Item>
          <Menu.Item
            leftSection={<IconClipboard size={15} />}
            rightSection={<Shortcut command="terminal.paste" />}
            onClick={() => void pasteFromClipboard(tab)}
          >
            Paste
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item
            leftSection={<IconSelectAll size={15} />}
            rightSection={<Shortcut command="terminal.selectAll" />}
            onClick={() => tab.screen?.selectAll()}
          >
            Select all
          </Menu.Item>
          <Menu.Item
            leftSection={<IconSearch size={15} />}
            rightSection={<Shortcut command="terminal.find" />}
            onClick={() => tab.showFind(true)}
          >
            Find
          </Menu.Item>
          <Menu.Item
            leftSection={<IconEraser size={15} />}
            rightSection={<Shortcut command="terminal.clear" />}
            onClick={() => tab.screen?.clear()}
          >
            Clear the scrollback
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Portal>
  );
}
