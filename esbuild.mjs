// Bundles the extension host's code, the pipeline process, the command line and the panel into dist/.
//   node esbuild.mjs [targets...] [--watch] [--sizes]
// Production unless --watch: minified panel, no source maps.
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(fileURLToPath(import.meta.url));

/** Native modules stay in node_modules; `vscode` exists only inside the extension host. */
const native = ['onnxruntime-node', 'sharp'];

/** Code written as ES modules runs from a CommonJS bundle: import.meta.* must mean the bundle's own file. */
const commonJs = {
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  banner: { js: "const fileUrlOfBundle = require('node:url').pathToFileURL(__filename).href;" },
  define: {
    'import.meta.url': 'fileUrlOfBundle',
    'import.meta.dirname': '__dirname',
    'import.meta.filename': '__filename',
  },
};

/** name -> entry, what comes out, and how it is built */
export const targets = {
  extension: {
    entry: 'extension/extension.ts',
    outputs: ['dist/extension.cjs'],
    options: { ...commonJs, external: ['vscode', ...native] },
  },
  server: {
    entry: 'native/server.ts',
    outputs: ['dist/server.cjs'],
    options: { ...commonJs, external: native },
  },
  cli: {
    entry: 'native/cli/main.ts',
    outputs: ['dist/cli.cjs'],
    options: { ...commonJs, external: native },
  },
  /** Threads of embedded ranks, started by the server and the command line. */
  trafficWorker: {
    entry: 'native/traffic/worker.ts',
    outputs: ['dist/traffic-worker.cjs'],
    options: { ...commonJs, external: native },
  },
  /** The thread of a user's own method; loads nothing but that. */
  methodWorker: {
    entry: 'native/methods/own/method-worker.ts',
    outputs: ['dist/method-worker.cjs'],
    options: commonJs,
  },
  /** The thread that reads whole weight files. */
  digestWorker: {
    entry: 'native/checkpoint/digest-worker.ts',
    outputs: ['dist/digest-worker.cjs'],
    options: commonJs,
  },
  webview: {
    entry: 'webview/main.ts',
    outputs: ['dist/webview/main.js', 'dist/webview/main.css'],
    options: {
      platform: 'browser',
      format: 'iife',
      target: 'chrome134',
      loader: { '.svg': 'text', '.ttf': 'file' },
    },
  },
  /** Inlined into exported reports, which any current browser opens. */
  report: {
    entry: 'webview/report.ts',
    outputs: ['dist/webview/report.js', 'dist/webview/report.css'],
    options: {
      platform: 'browser',
      format: 'iife',
      target: ['chrome109', 'firefox115', 'safari16.4'],
      loader: { '.svg': 'text', '.ttf': 'dataurl' },
    },
  },
};

function optionsOf(name, { watch }) {
  const { entry, outputs, options } = targets[name];
  if (!existsSync(path.join(root, entry))) {
    throw new Error(`Target "${name}" starts at ${entry}, and there is no such file.`);
  }
  return {
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: outputs[0],
    bundle: true,
    logLevel: 'warning',
    legalComments: 'none',
    sourcemap: watch ? 'linked' : false,
    sourcesContent: false,
    minifySyntax: !watch,
    minifyWhitespace: !watch,
    // Names stay readable in stack traces from the pipeline; the panel is loaded by every view, so it is made small.
    minifyIdentifiers: !watch && ['webview', 'report'].includes(name),
    define: { 'process.env.NODE_ENV': watch ? '"development"' : '"production"', ...options.define },
    ...withoutDefine(options),
  };
}

function withoutDefine({ define: _define, ...options }) {
  return options;
}

/** What native/evaluation/code-digest.ts cannot find out in a bundle. */
async function codeDefinition(esbuild) {
  const { outputFiles } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: ['native/evaluation/source-digest.ts'],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
  });
  const code = Buffer.from(outputFiles[0].contents).toString('base64');
  const { sourceDigest } = await import(`data:text/javascript;base64,${code}`);
  return { foveaCodeDigest: JSON.stringify(sourceDigest(path.join(root, 'native'))) };
}

/** Bundles the named targets; one that fails does not keep the others from being built. */
export async function build(names = Object.keys(targets), { watch = false } = {}) {
  const unknown = names.filter(name => !(name in targets));
  if (unknown.length > 0) {
    throw new Error(`There is no target "${unknown.join(', ')}". Targets: ${Object.keys(targets).join(', ')}.`);
  }
  const esbuild = await import('esbuild');
  const defined = await codeDefinition(esbuild);
  const results = await Promise.allSettled(
    names.map(async name => {
      const { define, ...rest } = optionsOf(name, { watch });
      const options = { ...rest, define: { ...define, ...defined } };
      if (watch) await (await esbuild.context({ ...options, logLevel: 'info' })).watch();
      else await esbuild.build(options);
    }),
  );
  const failures = results.filter(result => result.status === 'rejected');
  if (failures.length > 0) throw new Error(failures.map(({ reason }) => reason.message).join('\n'));
}

function printSizes(names) {
  for (const output of names.flatMap(name => targets[name].outputs)) {
    const file = path.join(root, output);
    if (existsSync(file)) console.log(`${(statSync(file).size / 1024).toFixed(1).padStart(9)} KiB  ${output}`);
  }
}

async function main(args) {
  const names = args.filter(arg => !arg.startsWith('--'));
  const chosen = names.length > 0 ? names : Object.keys(targets);
  await build(chosen, { watch: args.includes('--watch') });
  if (args.includes('--sizes')) printSizes(chosen);
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).catch(error => {
    console.error(`esbuild.mjs: ${error.message}`);
    process.exitCode = 1;
  });
}
