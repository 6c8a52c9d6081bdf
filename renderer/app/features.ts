import { admin } from '../features/admin/index.js';
import { agents } from '../features/agents/index.js';
import { audit } from '../features/audit/index.js';
import { connections } from '../features/connections/index.js';
import { evidence } from '../features/evidence/index.js';
import { sessions } from '../features/sessions/index.js';
import { settings } from '../features/settings/index.js';
import { sql } from '../features/sql/index.js';
import { terminal } from '../features/terminal/index.js';
import { tunnels } from '../features/tunnels/index.js';
import type { Feature } from '../ui/workbench.js';

/** Everything that the frame puts together. A link of a line is shown by the first that knows it. */
export const features: readonly Feature[] = [
  connections,
  sql,
  terminal,
  agents,
  sessions,
  audit,
  evidence,
  admin,
  tunnels,
  settings,
];
