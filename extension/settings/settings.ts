import os from 'node:os';
import * as vscode from 'vscode';
import type { Device } from '../../native/rpc.ts';
import type { Sampling } from '../../trace/schema.ts';
import type { FigureTheme } from '../../webview/messages.ts';
import { folderPath } from './folder-path.ts';
import { modelUpdate } from './model-update.ts';

const devices: Readonly<Record<Device, true>> = { cpu: true, webgpu: true, cuda: true, coreml: true, dml: true };

/** The user's settings, checked: settings.json takes any value, whatever the schema in package.json says. */
export class Settings {
  private readonly values: vscode.WorkspaceConfiguration;
  private readonly workspaceFolder: string | undefined;

  /** @param resource the image that is about to be analysed; decides among several workspace folders */
  constructor(resource?: vscode.Uri) {
    this.values = vscode.workspace.getConfiguration('fovea', resource);
    const ownFolder = resource && vscode.workspace.getWorkspaceFolder(resource);
    this.workspaceFolder = (ownFolder ?? vscode.workspace.workspaceFolders?.[0])?.uri.fsPath;
  }

  /** Absolute path; undefined for the bundled model. */
  get modelFolder(): string | undefined {
    return this.folder(this.values.get<unknown>('model.folder'));
  }

  /** As requests have it; nothing where no folder is set. */
  get visionTower(): { readonly visionTower?: string } {
    const folder = this.folder(this.values.get<unknown>('model.visionTower'));
    return folder === undefined ? {} : { visionTower: folder };
  }

  /** Absolute path; undefined for VS Code's storage of this extension. */
  get runsFolder(): string | undefined {
    return this.folder(this.values.get<unknown>('runs.folder'));
  }

  get device(): Device {
    const device = this.values.get<unknown>('device');
    return typeof device === 'string' && Object.hasOwn(devices, device) ? (device as Device) : 'cpu';
  }

  /** 0 lets the engine choose. */
  get threads(): number {
    return Math.round(within(this.values.get<unknown>('threads'), 0, 256, 0));
  }

  get maxNewTokens(): number {
    return Math.round(within(this.values.get<unknown>('generation.maxNewTokens'), 1, 4096, 64));
  }

  get sampling(): Sampling {
    const temperature = within(this.values.get<unknown>('generation.temperature'), 0, 10, 0);
    if (temperature === 0) return { mode: 'greedy' };
    const topP = within(this.values.get<unknown>('generation.topP'), Number.MIN_VALUE, 1, 1);
    const seed = Math.round(within(this.values.get<unknown>('generation.seed'), 0, 2 ** 32 - 1, 0));
    return { mode: 'sample', temperature, topP, seed };
  }

  /** 0 keeps the pipeline until VS Code closes. */
  get idleMinutes(): number {
    return within(this.values.get<unknown>('pipeline.idleMinutes'), 0, 1440, 10);
  }

  get hoverEnabled(): boolean {
    return this.values.get<unknown>('hover.enabled') !== false;
  }

  get codeLensEnabled(): boolean {
    return this.values.get<unknown>('codeLens.enabled') !== false;
  }

  get figureTheme(): FigureTheme {
    return this.values.get<unknown>('figures.theme') === 'shown' ? 'shown' : 'light';
  }

  /** @param folder empty for the bundled model */
  async setModelFolder(folder: string): Promise<void> {
    const { target, value } = modelUpdate(this.values.inspect('model.folder'), folder);
    const { Global, Workspace } = vscode.ConfigurationTarget;
    await this.values.update('model.folder', value, target === 'user' ? Global : Workspace);
  }

  /** What a folder means that is written like in a setting; undefined when it needs a workspace folder and none is open. */
  absoluteFolder(folder: string): string | undefined {
    return folderPath(folder, this.workspaceFolder, os.homedir());
  }

  private folder(setting: unknown): string | undefined {
    return typeof setting === 'string' && setting.trim() !== '' ? this.absoluteFolder(setting) : undefined;
  }
}

function within(value: unknown, least: number, most: number, otherwise: number): number {
  return typeof value === 'number' && value >= least && value <= most ? value : otherwise;
}
