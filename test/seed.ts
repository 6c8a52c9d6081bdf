import fc from 'fast-check';

/** Also for properties that name no seed of their own. */
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env['FUZZ_SEED']) });
