// `npm test`: sets up everything, checks types, lint and formatting, then runs every test.
//   npm test -- [lint|unit|golden|torch|webview|e2e ...] [--oldest] [part of a test file's path ...]
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { root, setup, setupPackages } from '../setup.mjs';
import { ensureChromium } from './chromium.mjs';
import { setupEditor } from './e2e/setup.mjs';
import { ensurePython } from './torch/python.mjs';

const bin = (module, script) => path.join(root, 'node_modules', module, script);

/** Independent of each other, so they share the cores. */
const checks = {
  types: [bin('typescript', 'bin/tsc'), '-p', '.'],
  lint: [bin('eslint', 'bin/eslint.js'), '.', '--max-warnings', '0'],
  format: [bin('prettier', 'bin/prettier.cjs'), '--check', '.', '--log-level', 'warn'],
};

/** In order: the cheap ones first. `concurrency`: test files at a time; a browser or a model wants the cores alone. */
const suites = {
  unit: { concurrency: 2 },
  golden: { concurrency: 1 },
  torch: { concurrency: 1, python: true },
  webview: { concurrency: 1, browser: true },
  e2e: { concurrency: 1, browser: true, editor: true },
};

const args = process.argv.slice(2);
const flags = args.filter(arg => arg.startsWith('--'));
const chosen = args.filter(arg => arg in suites || arg === 'lint');
const filters = args.filter(arg => !flags.includes(arg) && !chosen.includes(arg));
const oldest = flags.includes('--oldest');
const isChosen = name => chosen.length === 0 || chosen.includes(name);

/** @type {{name: string, passed: number, failed: number, skipped: number, seconds: number}[]} */
const results = [];

async function step(name, work) {
  const start = performance.now();
  let counts;
  try {
    counts = await work();
  } catch (error) {
    console.error(`\n${name}: ${error.message}`);
    counts = { passed: 0, failed: 1, skipped: 0 };
  }
  if (counts) results.push({ name, ...counts, seconds: (performance.now() - start) / 1000 });
  return !counts?.failed;
}

/** Runs Node on a script; resolves to its status and, when `quiet`, what it printed. */
function runNode(nodeArgs, { quiet = false, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, nodeArgs, {
      cwd: root,
      env,
      stdio: ['ignore', quiet ? 'pipe' : 1, quiet ? 'pipe' : 2],
    });
    let output = '';
    child.stdout?.on('data', chunk => (output += chunk));
    child.stderr?.on('data', chunk => (output += chunk));
    child.once('error', reject);
    child.once('close', status => resolve({ status, output }));
  });
}

async function check(name) {
  const { status, output } = await runNode(checks[name], { quiet: true });
  if (status !== 0) console.log(`\n--- ${name} ---\n${output.trim()}`);
  return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
}

function testFiles(suite) {
  const folder = path.join(root, 'test', suite);
  if (!existsSync(folder)) return [];
  const visit = at =>
    readdirSync(at, { withFileTypes: true }).flatMap(entry => {
      if (entry.name === 'node_modules') return [];
      const file = path.join(at, entry.name);
      return entry.isDirectory() ? visit(file) : file.endsWith('.test.ts') ? [file] : [];
    });
  return visit(folder)
    .map(file => path.relative(root, file))
    .filter(file => filters.length === 0 || filters.some(filter => file.includes(filter)))
    .sort();
}

/** The runner's own closing lines, e.g. `# pass 12`. */
function countsOf(tap) {
  const count = name => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(tap)?.[1] ?? 0);
  return {
    passed: count('pass'),
    failed: count('fail') + count('cancelled'),
    skipped: count('skipped') + count('todo'),
  };
}

async function runSuite(name) {
  const files = testFiles(name);
  if (files.length === 0) {
    if (filters.length > 0) return undefined;
    throw new Error(`There are no test files in test/${name}.`);
  }
  console.log(`\n--- ${name} ---`);
  const { concurrency, browser, editor, python } = suites[name];
  const env = { ...process.env, FOVEA_E2E_EDITION: oldest ? 'oldest' : 'newest' };
  if (browser) env.CHROMIUM = await ensureChromium();
  if (python) env.FOVEA_PYTHON = await ensurePython();
  if (editor) await setupEditor(oldest ? 'oldest' : 'newest');

  const tap = path.join(root, 'test/output', `${name}.tap`);
  mkdirSync(path.dirname(tap), { recursive: true });
  rmSync(tap, { force: true });
  const reporters = [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=tap',
    `--test-reporter-destination=${tap}`,
  ];
  const { status } = await runNode(
    ['--import', 'tsx', '--test', `--test-concurrency=${concurrency}`, '--test-timeout=300000', ...reporters, ...files],
    { env },
  );
  const counts = countsOf(existsSync(tap) ? readFileSync(tap, 'utf8') : '');
  if (counts.passed + counts.failed === 0) throw new Error('No test was executed.');
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

function printSummary() {
  console.log('');
  for (const { name, passed, failed, skipped, seconds } of results) {
    const outcome = failed > 0 ? `${failed} FAILED` : 'ok';
    const detail = `${passed} passed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
    console.log(`${name.padEnd(8)} ${seconds.toFixed(1).padStart(7)} s   ${outcome.padEnd(10)} ${detail}`);
  }
  const total = key => results.reduce((sum, result) => sum + result[key], 0);
  const [passed, failed] = [total('passed'), total('failed')];
  console.log(`\n${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

const names = Object.keys(suites).filter(isChosen);
const prepared = await step('setup', async () => {
  await (names.length > 0 ? setup() : setupPackages());
  return { passed: 0, failed: 0, skipped: 0 };
});
if (prepared) {
  if (isChosen('lint') && filters.length === 0)
    await Promise.all(Object.keys(checks).map(name => step(name, () => check(name))));
  for (const name of names) await step(name, () => runSuite(name));
}
printSummary();
