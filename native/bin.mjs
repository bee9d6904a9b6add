#!/usr/bin/env node
// The `fovea` command of a checkout: sets up what is missing, then runs the command line.
import { createRequire } from 'node:module';
import { setup } from '../setup.mjs';

try {
  await setup();
} catch (error) {
  process.stderr.write(`fovea: ${error.message}\n`);
  process.exit(1);
}
const load = createRequire(import.meta.url);
process.argv[1] = load.resolve('../dist/cli.cjs');
load(process.argv[1]);
