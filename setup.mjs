// Makes a checkout ready to run: installs the packages of package-lock.json and bundles dist/, each only when needed.
// Every command calls this first, so a fresh clone needs no steps of its own. Only Node's built-ins are used here.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(fileURLToPath(import.meta.url));
const minimumNode = 20;

const sources = ['extension', 'native', 'trace', 'webview'];
const sourceFile = /\.(ts|css|svg|json)$/;
const outputs = [
  'dist/extension.cjs',
  'dist/server.cjs',
  'dist/cli.cjs',
  'dist/digest-worker.cjs',
  'dist/method-worker.cjs',
  'dist/traffic-worker.cjs',
  'dist/webview/main.js',
];
const buildStamp = path.join(root, 'dist/.sources');
const lockFolder = path.join(root, 'dist/.setup-lock');

/** Variables that an outer npm sets would steer an inner one: its prefix, its flags, its lifecycle. */
export function environmentWithoutNpm(environment = process.env) {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/^npm_/i.test(name)));
}

/** Runs a program with its output on stderr, so that stdout stays the command's own. Rejects on a non-zero status. */
export function runToStderr(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
    child.once('error', reject);
    child.once('exit', (status, signal) => {
      if (status === 0) resolve();
      else reject(new Error(`${path.basename(program)} ${args.join(' ')} ended with ${signal ?? `status ${status}`}.`));
    });
  });
}

/** npm as a script for this Node: `npm.cmd` cannot be started without a shell on Windows. */
function npmScript() {
  const outer = process.env.npm_execpath;
  const beside = path.dirname(process.execPath);
  return [
    outer && path.join(path.dirname(outer), 'npm-cli.js'),
    path.join(beside, '../lib/node_modules/npm/bin/npm-cli.js'),
    path.join(beside, 'node_modules/npm/bin/npm-cli.js'),
  ].find(file => file && existsSync(file));
}

/** Runs npm in `folder` as if by hand: without what the outer npm, if any, left in the environment. */
export function npm(args, folder) {
  const script = npmScript();
  const options = { cwd: folder, env: environmentWithoutNpm() };
  return script
    ? runToStderr(process.execPath, [script, ...args], options)
    : runToStderr('npm', args, { ...options, shell: process.platform === 'win32' });
}

const digest = text => createHash('sha256').update(text).digest('hex');

/** Whether what npm recorded in node_modules is what the lock file asks for; optional packages may be absent. */
function installedMatches(folder, lockText) {
  const record = path.join(folder, 'node_modules/.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages;
  return Object.entries(JSON.parse(lockText).packages).every(
    ([place, wanted]) =>
      place === '' ||
      (installed[place] ? installed[place].version === wanted.version : wanted.optional || wanted.devOptional),
  );
}

/** Installs `folder`'s lock file unless it is installed already. Returns whether npm had to run. */
export async function ensurePackages(folder, say = progress) {
  const lockText = readFileSync(path.join(folder, 'package-lock.json'), 'utf8');
  const stamp = path.join(folder, 'node_modules/.fovea-lock');
  const wanted = digest(lockText);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return false;
  const install = !installedMatches(folder, lockText);
  if (install) {
    say(`Installing packages${folder === root ? '' : ` of ${path.relative(root, folder)}`} (npm ci)`);
    await npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'], folder);
  }
  writeFileSync(stamp, wanted);
  return install;
}

/** Paths, sizes and times of everything that goes into dist/; cheap enough to compute on every command. */
function sourcesDigest() {
  const lines = [];
  const visit = folder => {
    for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const file = `${folder}/${entry.name}`;
      if (entry.isDirectory()) visit(file);
      else if (sourceFile.test(entry.name)) add(file);
    }
  };
  const add = file => {
    const { mtimeMs, size } = statSync(path.join(root, file));
    lines.push(`${file} ${size} ${mtimeMs}`);
  };
  sources.forEach(visit);
  ['esbuild.mjs', 'package.json', 'package-lock.json', 'tsconfig.json'].forEach(add);
  return digest(lines.sort().join('\n'));
}

const builtFrom = () => (existsSync(buildStamp) ? readFileSync(buildStamp, 'utf8') : '');
const distIsFresh = wanted => builtFrom() === wanted && outputs.every(output => existsSync(path.join(root, output)));

async function ensureBuild() {
  const wanted = sourcesDigest();
  if (distIsFresh(wanted)) return;
  progress('Bundling dist/');
  await runToStderr(process.execPath, ['esbuild.mjs']);
  writeFileSync(buildStamp, wanted);
}

/** `npx fovea` looks here first; npm itself links only the commands of dependencies. */
function linkCommand() {
  const bin = path.join(root, 'node_modules/.bin');
  const at = path.join(bin, 'fovea');
  if (existsSync(at)) return;
  mkdirSync(bin, { recursive: true });
  if (process.platform === 'win32') {
    writeFileSync(`${at}.cmd`, '@node "%~dp0\\..\\..\\native\\bin.mjs" %*\r\n');
    writeFileSync(at, '#!/bin/sh\nexec node "$(dirname "$0")/../../native/bin.mjs" "$@"\n');
  } else {
    rmSync(at, { force: true });
    symlinkSync('../../native/bin.mjs', at);
  }
}

const processLives = pid => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** True when the holder of the lock is gone: killed, or on a machine that is no more. */
function lockIsAbandoned() {
  try {
    const { pid, host } = JSON.parse(readFileSync(path.join(lockFolder, 'holder'), 'utf8'));
    if (host === os.hostname()) return !processLives(pid);
  } catch {
    // No readable holder: the other command is between mkdir and write, or died there. Its age decides.
  }
  const age = Date.now() - (statSync(lockFolder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  return age > 20 * 60_000;
}

/** Two commands in one checkout take turns: npm ci empties node_modules, and the bundler writes dist/. */
async function withLock(work) {
  mkdirSync(path.dirname(lockFolder), { recursive: true });
  for (let waited = 0; ; waited += 200) {
    try {
      mkdirSync(lockFolder);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (lockIsAbandoned()) discard(lockFolder);
    else {
      if (waited === 1000) progress('Waiting for another command to finish setting up');
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  }
  try {
    writeFileSync(path.join(lockFolder, 'holder'), JSON.stringify({ pid: process.pid, host: os.hostname() }));
    return await work();
  } finally {
    discard(lockFolder);
  }
}

/** Renamed first: of two commands that find an abandoned lock, only one can take it away. */
function discard(folder) {
  const away = `${folder}-${process.pid}-${Date.now()}`;
  try {
    renameSync(folder, away);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  rmSync(away, { recursive: true, force: true });
}

function progress(text) {
  process.stderr.write(`fovea: ${text} …\n`);
}

export function requireNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= minimumNode) return;
  throw new Error(
    `This is Node ${process.versions.node}; Node ${minimumNode} or newer is needed. Get it from https://nodejs.org and run the command again.`,
  );
}

const lockHash = () => digest(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));

function isReady() {
  const stamp = path.join(root, 'node_modules/.fovea-lock');
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash() && distIsFresh(sourcesDigest());
}

/** Installs and bundles what is missing or stale; silent and quick (tens of milliseconds) when nothing is. */
export async function setup() {
  requireNode();
  if (!isReady()) {
    await withLock(async () => {
      await ensurePackages(root);
      await ensureBuild();
    });
  }
  linkCommand();
}

/** Only the packages: for commands that compile or check for themselves. */
export async function setupPackages() {
  requireNode();
  await withLock(() => ensurePackages(root));
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await (process.argv.includes('--packages') ? setupPackages() : setup()).catch(error => {
    console.error(`fovea: ${error.message}`);
    process.exitCode = 1;
  });
}
