import { z } from 'zod';

/**
 * How a session's recording at the gateway and the desktop's record of it stand to each other. corroborated: they say
 * the same. gateway-only: no desktop records (a native listener), or its records never came. desktop-only: the gateway
 * knows of no such session. different: both are kept, and somebody has to look. pending: the desktop said that it
 * records, and its records are still on their way.
 */
export const Corroboration = z.enum(['corroborated', 'gateway-only', 'desktop-only', 'different', 'pending']);
export type Corroboration = z.infer<typeof Corroboration>;
