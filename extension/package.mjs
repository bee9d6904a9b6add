// Packages the extension for one platform or several: fovea-<target>-<version>.vsix in the project's folder.
//   npm run package [-- --target linux-x64 ... | --all] [--out folder]
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { environmentWithoutNpm, npm, root, setup } from '../setup.mjs';

/** What onnxruntime-node and sharp both have binaries for. No Intel Mac: ONNX Runtime stopped at 1.23. No musl. */
export const targets = {
  'linux-x64': { os: 'linux', cpu: 'x64', libc: 'glibc' },
  'linux-arm64': { os: 'linux', cpu: 'arm64', libc: 'glibc' },
  'win32-x64': { os: 'win32', cpu: 'x64' },
  'win32-arm64': { os: 'win32', cpu: 'arm64' },
  'darwin-arm64': { os: 'darwin', cpu: 'arm64' },
};

/** Packages that run; the rest of what npm installs serves only onnxruntime-node's install script. */
const shipped = ['onnxruntime-node', 'onnxruntime-common', 'sharp', '@img', 'detect-libc', 'semver'];

/** Folders of those packages that are never loaded: TypeScript and C++ sources, ES module twins, build scripts. */
const ballast = [
  'onnxruntime-node/lib',
  'onnxruntime-node/script',
  'onnxruntime-common/lib',
  'onnxruntime-common/dist/esm',
  'sharp/src',
  'sharp/install',
  'sharp/lib',
];
const ballastFile = /\.(map|ts|mts|cts|d\.ts|mjs)$/;

const npmFiles = ['package-lock.json', '.npmrc'];

const stageFolder = target => path.join(root, '.stage', target);

function vsixName(target) {
  const { name, version } = readManifest(root);
  return `${name}-${target}-${version}.vsix`;
}

const readManifest = folder => JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
const writeManifest = (folder, manifest) =>
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);

function filesUnder(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.join(entry.parentPath ?? entry.path, entry.name));
}

const bytesUnder = folder => filesUnder(folder).reduce((sum, file) => sum + statSync(file).size, 0);
const megabytes = bytes => `${(bytes / 1e6).toFixed(1).padStart(7)} MB`;

/** Production packages at the versions of the lock file, with the optional ones of `target` instead of this machine's. */
async function installModules(folder, { os, cpu, libc }) {
  for (const file of ['package.json', ...npmFiles]) cpSync(path.join(root, file), path.join(folder, file));
  const platform = [`--os=${os}`, `--cpu=${cpu}`, ...(libc ? [`--libc=${libc}`] : [])];
  await npm(
    ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...platform],
    folder,
  );
}

/** Leaves the one binary folder that onnxruntime-node loads on `target`: bin/napi-v6/<os>/<arch>. */
function keepOneRuntime(modules, { os, cpu }) {
  const binaries = path.join(modules, 'onnxruntime-node/bin/napi-v6');
  for (const system of readdirSync(binaries)) {
    for (const architecture of readdirSync(path.join(binaries, system))) {
      if (system === os && architecture === cpu) continue;
      rmSync(path.join(binaries, system, architecture), { recursive: true });
    }
    if (system !== os) rmSync(path.join(binaries, system), { recursive: true });
  }
  const kept = path.join(binaries, os, cpu);
  if (!existsSync(kept)) throw new Error(`onnxruntime-node has no binary for ${os} ${cpu}.`);
  if (os === 'darwin') dropTwinLibrary(kept);
}

/** On macOS the same 45 MB library lies there under two names. The one that the binding was linked to must stay. */
function dropTwinLibrary(folder) {
  const binding = readFileSync(path.join(folder, 'onnxruntime_binding.node'), 'latin1');
  const libraries = readdirSync(folder).filter(name => name.endsWith('.dylib'));
  const loaded = libraries.filter(name => binding.includes(`@rpath/${name}\0`));
  if (loaded.length === 0) throw new Error('onnxruntime_binding.node names none of the libraries beside it.');
  for (const name of libraries) if (!loaded.includes(name)) rmSync(path.join(folder, name));
}

function pruneModules(folder, platform) {
  const modules = path.join(folder, 'node_modules');
  for (const name of readdirSync(modules)) {
    if (!shipped.includes(name)) rmSync(path.join(modules, name), { recursive: true });
  }
  keepOneRuntime(modules, platform);
  for (const each of ballast) rmSync(path.join(modules, each), { recursive: true, force: true });
  for (const file of filesUnder(modules)) if (ballastFile.test(file)) rmSync(file);
  // vsce asks npm which packages belong to the extension; npm would miss the ones that were taken out.
  const runtime = path.join(modules, 'onnxruntime-node');
  const { scripts: _scripts, ...manifest } = readManifest(runtime);
  manifest.dependencies = { 'onnxruntime-common': manifest.dependencies['onnxruntime-common'] };
  writeManifest(runtime, manifest);
}

/** The manifest as VS Code needs it: nothing for developers. */
function slimManifest(folder) {
  const { devDependencies: _dev, scripts: _scripts, bin: _bin, private: _private, ...manifest } = readManifest(folder);
  writeManifest(folder, manifest);
}

/** Fills .stage/<target> with exactly the files that go into the package. Returns the folder. */
export async function stage(target) {
  const platform = targets[target];
  if (!platform) throw new Error(`There is no target "${target}". Targets: ${Object.keys(targets).join(', ')}.`);
  const { listFiles, PackageManager } = await import('@vscode/vsce');
  const folder = stageFolder(target);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await installModules(folder, platform);
  pruneModules(folder, platform);
  slimManifest(folder);
  for (const file of npmFiles) rmSync(path.join(folder, file));
  for (const file of await listFiles({ cwd: root, packageManager: PackageManager.None })) {
    if (file !== 'package.json') cpSync(path.join(root, file), path.join(folder, file));
  }
  return folder;
}

/** Stages and packages one target. Returns the .vsix file's path. */
export async function packageFor(target, outputFolder) {
  const folder = await stage(target);
  const { createVSIX } = await import('@vscode/vsce');
  const packagePath = path.join(outputFolder, vsixName(target));
  // An outer npm's variables would make the npm that vsce starts look into the project instead of the stage.
  const outer = { ...process.env };
  process.env = environmentWithoutNpm();
  try {
    writeFileSync(path.join(folder, '.vscodeignore'), 'node_modules/.package-lock.json\n');
    await createVSIX({ cwd: folder, target, packagePath, allowMissingRepository: true, rewriteRelativeLinks: false });
  } finally {
    process.env = outer;
    rmSync(path.join(folder, '.vscodeignore'), { force: true });
  }
  return packagePath;
}

function printSizes(target, vsix) {
  const folder = stageFolder(target);
  const parts = [
    'dist',
    'media/models',
    'media/questions',
    'media/samples',
    'node_modules/onnxruntime-node',
    'node_modules/@img',
    'node_modules/sharp',
  ];
  console.log(`\n${target}`);
  for (const part of parts.map(each => path.join(folder, each)).filter(existsSync)) {
    console.log(`${megabytes(bytesUnder(part))}  ${path.relative(folder, part)}`);
  }
  console.log(`${megabytes(bytesUnder(folder))}  in all, unpacked`);
  console.log(`${megabytes(statSync(vsix).size)}  ${path.basename(vsix)}`);
}

function options(args) {
  const { values } = parseArgs({
    args,
    options: {
      target: { type: 'string', multiple: true, default: [`${process.platform}-${process.arch}`] },
      all: { type: 'boolean', default: false },
      out: { type: 'string', default: root },
    },
  });
  return { chosen: values.all ? Object.keys(targets) : values.target, outputFolder: path.resolve(values.out) };
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const { chosen, outputFolder } = options(process.argv.slice(2));
    await setup();
    mkdirSync(outputFolder, { recursive: true });
    for (const target of chosen) printSizes(target, await packageFor(target, outputFolder));
  } catch (error) {
    console.error(`fovea: ${error.message}`);
    process.exitCode = 1;
  }
}
