// `npm start [-- image "question"]`: one analysis with the bundled model, to see that all works.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { root, setup } from '../setup.mjs';

const sample = [path.join(root, 'media/samples/scene-04.png'), 'Describe this picture.'];

/** npm runs scripts in the project's folder; paths are meant relative to where the user typed. */
const calledFrom = process.env.INIT_CWD ?? process.cwd();
const args = process.argv.slice(2);

try {
  await setup();
} catch (error) {
  process.stderr.write(`fovea: ${error.message}\n`);
  process.exit(1);
}
const command = [path.join(root, 'dist/cli.cjs'), 'analyze', ...(args.length > 0 ? args : sample)];
const child = spawn(process.execPath, command, { cwd: calledFrom, stdio: 'inherit' });
// Ctrl-C reaches the child by itself, and it knows how to end.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.once('error', error => {
  process.stderr.write(`fovea: ${error.message}\n`);
  process.exitCode = 1;
});
child.once('exit', (status, signal) => {
  process.exitCode = status ?? 1;
  if (signal) process.kill(process.pid, signal);
});
