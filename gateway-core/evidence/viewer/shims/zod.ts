import { z } from 'zod';

/** Imported first: schemas made from now on are not compiled with `Function`, which the page's policy forbids. */
z.config({ jitless: true });
