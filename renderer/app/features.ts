import { admin } from '../features/admin/index.js';
import { audit } from '../features/audit/index.js';
import { connections } from '../features/connections/index.js';
import { sessions } from '../features/sessions/index.js';
import { settings } from '../features/settings/index.js';
import { sql } from '../features/sql/index.js';
import { tunnels } from '../features/tunnels/index.js';
import type { Feature } from '../ui/workbench.js';

/** Everything that the frame puts together, in no particular order. */
export const features: readonly Feature[] = [connections, sql, sessions, audit, admin, tunnels, settings];
