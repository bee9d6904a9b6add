import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, test } from 'node:test';
import { packagedFiles, packageExtension, type ExtensionPackage } from '../package-extension.ts';

let made: ExtensionPackage;
/** All files in the package, relative, with forward slashes. */
let files: string[];

before(() => {
  made = packageExtension();
  files = packagedFiles(made);
});

test('the linux-x64 package holds only what was meant to be shipped', () => {
  const top = new Set(
    files.map(name =>
      name
        .split('/')
        .slice(0, name.startsWith('node_modules/') || name.startsWith('media/') ? 2 : 1)
        .join('/'),
    ),
  );
  assert.deepEqual([...top].sort(), [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'THIRD-PARTY-NOTICES.md',
    'dist',
    'docs',
    'media/icons',
    'media/models',
    'media/own-methods',
    'media/questions',
    'media/samples',
    'native',
    'node_modules/@img',
    'node_modules/detect-libc',
    'node_modules/onnxruntime-common',
    'node_modules/onnxruntime-node',
    'node_modules/semver',
    'node_modules/sharp',
    'package.json',
    'package.nls.json',
  ]);
  assert.deepEqual(
    files.filter(name => name.startsWith('dist/')),
    [
      'dist/cli.cjs',
      'dist/digest-worker.cjs',
      'dist/extension.cjs',
      'dist/method-worker.cjs',
      'dist/server.cjs',
      'dist/traffic-worker.cjs',
      'dist/webview/main.css',
      'dist/webview/main.js',
      'dist/webview/report.css',
      'dist/webview/report.js',
    ],
  );
});

test('it holds the torch ranks and the script that converts weights, as source and nothing else', () => {
  const ranks = files.filter(name => name.startsWith('native/'));
  assert.ok(ranks.includes('native/torch/fovea_ranks/__main__.py'));
  assert.deepEqual(
    ranks.filter(name => !/^native\/torch\/(fovea_ranks\/\w+|to_safetensors)\.py$/.test(name)),
    [],
  );
});

test('it holds native code for Linux x64 and for nothing else', () => {
  const native = files.filter(name => /\.(node|dll|dylib|so(\.[\d.]+)?)$/.test(name));
  assert.equal(native.length, 4, native.join('\n'));
  for (const name of native) {
    const header = fs.readFileSync(path.join(made.stage, name)).subarray(0, 20);
    assert.equal(header.subarray(0, 4).toString('latin1'), '\x7fELF', name);
    assert.equal(header.readUInt16LE(18), 62, `${name} is not for x86-64`);
  }
});

test('it holds no sources, maps, tests, training scripts or weights that nothing reads', () => {
  const others = files.filter(name => !name.startsWith('native/torch/'));
  const unwanted = others.filter(name => /(?<!\.d)\.(ts|map|py|cc|h\.in|gyp)$|(^|\/)(test|training|src)\//.test(name));
  assert.deepEqual(unwanted, []);
});

test('it holds the weights that read high-resolution tokens, with their description', () => {
  for (const name of ['flexattn.json', 'flexattn.safetensors', 'xattn.json', 'xattn.safetensors']) {
    assert.ok(files.includes(`media/models/fovea-tiny/${name}`), name);
  }
});

test('its manifest names files that are in it, and nothing for developers', () => {
  const manifest = JSON.parse(fs.readFileSync(path.join(made.stage, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  for (const key of ['main', 'icon']) {
    const file = manifest[key];
    assert.ok(typeof file === 'string' && files.includes(path.posix.normalize(file)), `${key}: ${String(file)}`);
  }
  for (const key of ['scripts', 'devDependencies', 'bin']) assert.equal(manifest[key], undefined, key);
});

test('its command line says its version and runs the model with nothing but its own files', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fovea-package-'));
  try {
    // Elsewhere, so that nothing is found in the project's own node_modules.
    const own = path.join(folder, 'extension');
    fs.cpSync(made.stage, own, { recursive: true });
    const run = (...args: string[]): string =>
      execFileSync(process.execPath, [path.join(own, 'dist/cli.cjs'), ...args], { cwd: folder, encoding: 'utf8' });
    const { version } = JSON.parse(fs.readFileSync(path.join(own, 'package.json'), 'utf8')) as { version: string };
    assert.match(run('--version'), new RegExp(`\\b${version.replace(/\./g, '\\.')}\\b`));
    const image = path.join(own, 'media/samples/scene-04.png');
    const result = JSON.parse(
      run('analyze', image, '--question', 'Is there a green apple?', '--out', path.join(folder, 'run.fovea'), '--json'),
    ) as {
      answer: string;
    };
    assert.match(result.answer, /yes/i);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
