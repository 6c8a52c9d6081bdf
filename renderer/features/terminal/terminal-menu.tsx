import { Menu } from '@mantine/core';
import {
  IconClipboard,
  IconCopy,
  IconEraser,
  IconPalette,
  IconSearch,
  IconSelectAll,
} from '@tabler/icons-react';
import { MenuAt } from '../../ui/menu-at.js';
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
    <MenuAt at={at} close={close}>
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
    </MenuAt>
  );
}
