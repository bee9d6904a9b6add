/** One VS Code with Fovea and the sample images, for the tests of a file. */
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Browser } from 'playwright-core';
import { startBrowser } from './browser.ts';
import { Editor, projectFolder, type EditorOptions } from './editor.ts';
import { outsideConnections, type ProcessInfo } from './processes.ts';
import { Workbench } from './workbench.ts';

const sampleFolder = path.join(projectFolder, 'media/samples');
/** Relative to the workspace, so that tests see every file that a run leaves. */
const runFolderName = 'runs';

export interface FixtureOptions extends Partial<EditorOptions> {
  /** Names of sample images to copy into the workspace. */
  readonly samples?: readonly string[];
}

export class Fixture implements AsyncDisposable {
  private constructor(
    readonly editor: Editor,
    private readonly browser: Browser,
    readonly workbench: Workbench,
  ) {}

  static async start({ samples = [], files, settings, ...options }: FixtureOptions): Promise<Fixture> {
    const images = samples.map(name => [name, fs.readFileSync(path.join(sampleFolder, name))] as const);
    const editor = await Editor.start({
      extension: { folder: projectFolder },
      ...options,
      files: { 'notes.md': '# Notes\n\nNothing of interest.\n', ...Object.fromEntries(images), ...files },
      settings: { 'fovea.runs.folder': `\${workspaceFolder}/${runFolderName}`, ...settings },
    });
    try {
      const browser = await startBrowser();
      return new Fixture(editor, browser, await Workbench.open(browser, editor));
    } catch (error) {
      await editor.stop();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    await this.editor.stop();
  }

  /** Names of all files that runs have left, finished or not. */
  runFiles(): string[] {
    const folder = path.join(this.editor.workspace, runFolderName);
    return fs.existsSync(folder) ? fs.readdirSync(folder).sort() : [];
  }

  /** The running pipeline process, a child of the extension host. */
  pipelineProcess(): ProcessInfo | undefined {
    return this.editor.processes().find(({ command }) => command === 'fovea pipeline');
  }

  /** Whom the page or any process of the editor talked to outside this machine. */
  outsideTraffic(): string[] {
    return [...this.workbench.outsideRequests, ...outsideConnections(this.editor.processes())];
  }

  /** What the extension wrote to its log in all windows so far. */
  log(): string {
    const own = [...this.editor.logs()].filter(([name]) => /exthost\d*\/fovea\.fovea\//.test(name));
    return own.map(([, text]) => text).join('\n');
  }
}

/** Defines tests whose failure leaves a screenshot and the extension's log behind. */
export function testsOf(fixture: () => Fixture): (name: string, body: () => Promise<void> | void) => void {
  return (name, body) => {
    test(name, async () => {
      try {
        await body();
      } catch (error) {
        const file = await fixture().workbench.screenshot(`failed-${name.replace(/\W+/g, '-').slice(0, 60)}`);
        console.log(`Screenshot: ${file}\nLog of the extension:\n${fixture().log()}`);
        throw error;
      }
    });
  };
}

/** Waits until `probe` gives something, e.g. a process that is about to start. */
export async function eventually<T>(probe: () => T | undefined | false, what: string, timeout = 20_000): Promise<T> {
  const end = Date.now() + timeout;
  for (;;) {
    const found = probe();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`Waited ${timeout} ms in vain for ${what}.`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}
