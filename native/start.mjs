// `npm start [-- image "question"]`: one analysis with the bundled model, to see that all works.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { root, setup } from '../setup.mjs';

const sample = { image: path.join(root, 'media/samples/scene-04.png'), question: 'Describe this picture.' };

/** npm runs scripts in the project's folder; paths are meant relative to where the user typed. */
const calledFrom = process.env.INIT_CWD ?? process.cwd();
const [image, question, ...options] = process.argv.slice(2);

try {
  await setup();
} catch (error) {
  process.stderr.write(`fovea: ${error.message}\n`);
  process.exit(1);
}
const child = spawn(
  process.execPath,
  [path.join(root, 'dist/cli.cjs'), 'analyze', image ?? sample.image, question ?? sample.question, ...options],
  { cwd: calledFrom, stdio: 'inherit' },
);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.once('error', error => {
  process.stderr.write(`fovea: ${error.message}\n`);
  process.exitCode = 1;
});
child.once('exit', (status, signal) => {
  if (signal) process.kill(process.pid, signal);
  else process.exitCode = status ?? 1;
});
