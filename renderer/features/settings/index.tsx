import { IconSettings } from '@tabler/icons-react';
import type { Feature } from '../../ui/workbench.js';
import { workbench } from '../../ui/workbench.js';
import { SettingsPage } from './settings.js';

export const settings: Feature = {
  id: 'settings',
  tabs: [{ kind: 'settings', icon: IconSettings, title: () => 'Settings', view: SettingsPage, single: true }],
  commands: [
    {
      id: 'settings.show',
      title: 'Settings',
      group: 'Window',
      shortcut: 'Mod+,',
      run: () => workbench().openTab('settings', {}),
    },
  ],
};
