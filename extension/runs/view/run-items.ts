import path from 'node:path';
import * as vscode from 'vscode';
import { openTrace } from '../../editor/trace-document.ts';
import type { RunSummary } from '../run-index.ts';
import type { EvaluationNode, EvaluationsNode } from './evaluation-items.ts';
import type { ImageGroup } from './run-groups.ts';
import { oneLine, sizeText, timeText, tooltipMarkdown, type Picture } from './run-text.ts';
import { thumbnailOf } from './thumbnails.ts';
import type { TrafficGroupNode, TrafficNode } from './traffic-items.ts';

export interface ImageNode {
  readonly kind: 'image';
  readonly group: ImageGroup;
}

export interface RunNode {
  readonly kind: 'run';
  readonly run: RunSummary;
  readonly image: ImageNode;
}

export type RunsNode = ImageNode | RunNode | EvaluationsNode | EvaluationNode | TrafficGroupNode | TrafficNode;

/** What the commands of the view act on: a trace on disk. */
export type ListedTrace = Pick<RunSummary, 'path' | 'bytes'>;

const { language } = vscode.env;

export function imageItem({ group }: ImageNode, thumbnail: vscode.Uri | undefined): vscode.TreeItem {
  const name = oneLine(group.name);
  const item = new vscode.TreeItem(name, vscode.TreeItemCollapsibleState.Expanded);
  const size = sizeText(group.bytes, language);
  item.id = `image:${group.digest}`;
  item.description = `${runCount(group.runs.length)} · ${size}`;
  item.iconPath = thumbnail ?? new vscode.ThemeIcon('file-media');
  item.contextValue = 'image';
  item.tooltip = [oneLine(group.path ?? group.name, 1000), `${runCount(group.runs.length)}, ${size}`].join('\n');
  item.accessibilityInformation = {
    label: vscode.l10n.t('Image {0}, {1}, {2}', name, runCount(group.runs.length), size),
  };
  return item;
}

export function runItem(node: RunNode, command: vscode.Command): vscode.TreeItem {
  const { run } = node;
  const { question, answer, created, status } = run.metadata;
  const cancelled = status.state === 'cancelled';
  const label = oneLine(question) || vscode.l10n.t('(no question)');
  const said = oneLine(answer, 120) || (cancelled ? vscode.l10n.t('cancelled') : vscode.l10n.t('(no answer)'));
  const time = timeText(created, new Date(), language);
  const item = new vscode.TreeItem(label, vscode.TreeItemCollapsibleState.None);
  item.id = `run:${run.path}`;
  item.description = [said, time].filter(text => text !== '').join(' · ');
  item.iconPath = new vscode.ThemeIcon(cancelled ? 'circle-slash' : 'eye');
  item.contextValue = 'run';
  item.command = command;
  item.accessibilityInformation = {
    label: vscode.l10n.t(
      'Run: {0} Answer: {1}, {2}, {3}',
      label,
      said,
      fullTime(created),
      sizeText(run.bytes, language),
    ),
  };
  return item;
}

/** Reads the trace's header again for what the list does not keep: thumbnail and timings. */
export async function runTooltip({ run }: RunNode): Promise<vscode.MarkdownString> {
  const { question, answer, created, image, method, model, totalMilliseconds } = run.metadata;
  let picture: Picture | undefined;
  let timings = milliseconds(totalMilliseconds);
  try {
    const reader = await openTrace(vscode.Uri.file(run.path));
    try {
      const { load, vision, prefill, decode, total } = reader.metadata.ms;
      timings = vscode.l10n.t(
        '{0} (load {1}, vision {2}, prefill {3}, decode {4})',
        ...[total, load, vision, prefill, decode].map(milliseconds),
      );
      picture = await thumbnailOf(reader);
    } finally {
      await reader.close();
    }
  } catch {
    // The file has vanished meanwhile; the list will follow.
  }
  // Neither trusted nor HTML: the texts are the trace's.
  return new vscode.MarkdownString(
    tooltipMarkdown({
      question,
      answer,
      picture,
      pictureText: image.name,
      pictureSize: image,
      rows: [
        [vscode.l10n.t('Image'), `${image.name}, ${image.width} × ${image.height}`],
        [vscode.l10n.t('Model'), model.name],
        [vscode.l10n.t('Method'), methodText(method)],
        [vscode.l10n.t('Run'), fullTime(created)],
        [vscode.l10n.t('Time taken'), timings],
        [vscode.l10n.t('Size on disk'), sizeText(run.bytes, language)],
        [vscode.l10n.t('File'), run.path],
      ],
    }),
  );
}

export function runCount(count: number): string {
  return count === 1 ? vscode.l10n.t('1 run') : vscode.l10n.t('{0} runs', count);
}

/** What a run is called in messages. */
export function runName(run: Pick<RunSummary, 'path'>): string {
  return path.basename(run.path);
}

function methodText({ name, parameters }: RunSummary['metadata']['method']): string {
  if (name === 'none') return vscode.l10n.t('all visual tokens');
  const settings = Object.entries(parameters).map(([key, value]) => `${key} ${String(value)}`);
  return [name, ...settings].join(', ');
}

function fullTime(created: string): string {
  const time = new Date(created);
  return Number.isNaN(time.getTime()) ? created : time.toLocaleString(language);
}

function milliseconds(value: number): string {
  const style = {
    style: 'unit',
    unit: value < 1000 ? 'millisecond' : 'second',
    maximumFractionDigits: value < 1000 ? 0 : 1,
  } as const;
  return new Intl.NumberFormat(language, style).format(value < 1000 ? value : value / 1000);
}
