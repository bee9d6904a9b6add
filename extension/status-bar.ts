import path from 'node:path';
import * as vscode from 'vscode';
import { stageWord } from './analysis/stage-words.ts';
import type { TraceEditors } from './editor/trace-editors.ts';
import type { PipelineClient, PipelineState } from './pipeline/client.ts';
import { plainLabel } from './plain-words.ts';
import { Settings } from './settings/settings.ts';

/** What the pipeline does; a click shows its log. */
export function showPipelineStatus(pipeline: PipelineClient): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('fovea.pipeline', vscode.StatusBarAlignment.Right, 90);
  item.name = vscode.l10n.t('Fovea: Pipeline');
  item.command = 'fovea.showLog';
  const update = (): void => {
    const { state } = pipeline;
    item.text = wordOf(state);
    item.tooltip = tooltip(state);
    item.accessibilityInformation = { label: item.text.replace(/^\$\(.*?\) /, '') };
  };
  update();
  item.show();
  return vscode.Disposable.from(
    item,
    pipeline.onDidChangeState(update),
    vscode.workspace.onDidChangeConfiguration(event => {
      if (event.affectsConfiguration('fovea')) update();
    }),
  );
}

/** What is hovered or locked in the active panel. */
export function showPanelStatus(editors: TraceEditors): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('fovea.panel', vscode.StatusBarAlignment.Left, -90);
  item.name = vscode.l10n.t('Fovea: Selection');
  const update = (): void => {
    const status = editors.active?.status ?? '';
    item.text = plainLabel(status);
    // The status bar cuts long lines.
    item.tooltip = status;
    item.accessibilityInformation = { label: status };
    if (item.text === '') item.hide();
    else item.show();
  };
  return vscode.Disposable.from(item, editors.onDidChangeActive(update));
}

function wordOf(state: PipelineState): string {
  switch (state.kind) {
    case 'running':
      return `$(sync~spin) ${vscode.l10n.t('Fovea: {0}', stageWord(state.progress))}`;
    case 'evaluating':
      return `$(sync~spin) ${vscode.l10n.t('Fovea: evaluation {0}/{1}', state.progress.done, state.progress.total)}`;
    case 'traffic':
      return `$(sync~spin) ${vscode.l10n.t('Fovea: ranks')}`;
    case 'idle':
    case 'stopped':
      return `$(eye) ${vscode.l10n.t('Fovea: idle')}`;
  }
}

function tooltip(state: PipelineState): string {
  const settings = new Settings();
  const request = state.kind === 'running' || state.kind === 'evaluating' ? state.request : undefined;
  const modelFolder = request ? request.modelFolder : settings.modelFolder;
  const device = request?.device ?? settings.device;
  const model = modelFolder === undefined ? vscode.l10n.t('the bundled model') : path.basename(modelFolder);
  const lines = [vscode.l10n.t('Model: {0}', model), vscode.l10n.t('Device: {0}', device), processLine(state)];
  return [...lines, vscode.l10n.t('Click to show the log.')].join('\n');
}

function processLine(state: PipelineState): string {
  switch (state.kind) {
    case 'stopped':
      return vscode.l10n.t('The pipeline is not running; the next analysis starts it.');
    case 'running':
    case 'evaluating':
    case 'traffic':
      return vscode.l10n.t('The pipeline is working.');
    case 'idle': {
      if (!state.status) return vscode.l10n.t('The pipeline is ready.');
      const megabytes = Math.round(state.status.residentBytes / 1e6);
      return vscode.l10n.t('{0}, {1} MB in use, process {2}', state.status.engine, megabytes, state.status.pid);
    }
  }
}
