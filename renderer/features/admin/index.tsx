import { IconDatabaseCog, IconLicense, IconShieldLock, IconUsers } from '@tabler/icons-react';
import type { AppState } from '../../../gateway-core/contract/bridge/app.js';
import type { Feature } from '../../ui/workbench.js';
import { workbench } from '../../ui/workbench.js';
import { ConnectionsAdmin } from './connections-admin.js';
import { PeopleAdmin } from './people-admin.js';
import { PoliciesAdmin } from './policies-admin.js';
import { AdminSidebar } from './sidebar.js';

const may = ({ signIn }: AppState): boolean =>
  signIn.state === 'signed-in' && signIn.may.some((action) => action.startsWith('admin:'));

/** Connections, policies and people: what an admin changes. */
export const admin: Feature = {
  id: 'admin',
  sections: [{ id: 'admin', label: 'Admin', icon: IconShieldLock, order: 50, sidebar: AdminSidebar, may }],
  tabs: [
    {
      kind: 'admin-connections',
      icon: IconDatabaseCog,
      title: () => 'Connections',
      view: ConnectionsAdmin,
      single: true,
    },
    { kind: 'admin-policies', icon: IconLicense, title: () => 'Policies', view: PoliciesAdmin, single: true },
    { kind: 'admin-people', icon: IconUsers, title: () => 'People', view: PeopleAdmin, single: true },
  ],
  commands: [
    {
      id: 'admin.connections',
      title: 'Manage connections',
      group: 'Admin',
      may,
      run: () => workbench().openTab('admin-connections', {}),
    },
    {
      id: 'admin.policies',
      title: 'Edit policies',
      group: 'Admin',
      may,
      run: () => workbench().openTab('admin-policies', {}),
    },
    {
      id: 'admin.people',
      title: 'Show people',
      group: 'Admin',
      may,
      run: () => workbench().openTab('admin-people', {}),
    },
  ],
};
