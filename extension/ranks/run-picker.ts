import * as vscode from 'vscode';
import type { Pass } from '../../trace/traffic/schedule.ts';
import { pickOrType } from '../typed-pick.ts';
import { type Hosts, parseAddress } from './command-line.ts';
import { parseSizes, type WorkloadSizes } from './workload.ts';

/** What was chosen before is not lost when another window is looked into. */
const stays = { ignoreFocusOut: true } as const;
const title = (step: string): string => vscode.l10n.t('Run LV-XAttn on GPUs: {0}', step);
const mostRanks = 128;

interface Valued<Value> extends vscode.QuickPickItem {
  readonly value: Value;
}

/** @param gpus of this machine; @returns ranks on each host */
export async function pickRanks(gpus: number): Promise<number | undefined> {
  const item = (value: number): Valued<number> => ({
    label: String(value),
    description: rankDevices(value, gpus),
    value,
  });
  const counts = [...new Set([...(gpus > 0 ? [gpus] : []), 2, 4, 8])];
  const chosen = await pickOrType<Valued<number>>({
    title: title(vscode.l10n.t('Ranks')),
    placeholder: vscode.l10n.t('How many ranks on each host? Choose, or type a number up to {0}', mostRanks),
    items: counts.map(item),
    itemFor: typed => (/^[1-9]\d*$/.test(typed) && Number(typed) <= mostRanks ? item(Number(typed)) : undefined),
  });
  return chosen?.value;
}

function rankDevices(ranks: number, gpus: number): string {
  if (gpus === 0) return vscode.l10n.t('on the processor, messages by gloo');
  if (ranks <= gpus) return vscode.l10n.t('one GPU each, messages by NCCL');
  return vscode.l10n.t('several on a GPU, messages by gloo through host memory');
}

export async function pickSizes(gpus: number): Promise<WorkloadSizes | undefined> {
  const element = gpus > 0 ? 'BF16' : 'F32';
  const listed = gpus > 0 ? ['512 x 65536, 32/8/128', '2048 x 262144, 32/8/128'] : ['64 x 4096', '256 x 8192'];
  const item = (text: string): Valued<WorkloadSizes> | undefined => {
    const value = parseSizes(text, element);
    if (!value) return undefined;
    const { queryHeads, keyValueHeads, headSize } = value.shape;
    const detail = vscode.l10n.t(
      '{0} query heads, {1} key-value heads of size {2}, {3}',
      queryHeads,
      keyValueHeads,
      headSize,
      element,
    );
    return { label: vscode.l10n.t('{0} queries × {1} keys', value.queries, value.keys), detail, value };
  };
  const chosen = await pickOrType<Valued<WorkloadSizes>>({
    title: title(vscode.l10n.t('Sizes')),
    placeholder: vscode.l10n.t('Text tokens x visual tokens, or with heads: 512 x 8192, 32/8/128'),
    items: listed.map(item).filter(entry => entry !== undefined),
    itemFor: item,
  });
  return chosen?.value;
}

export async function pickPasses(): Promise<readonly Pass[] | undefined> {
  const items: readonly Valued<readonly Pass[]>[] = [
    { label: vscode.l10n.t('Forward'), detail: vscode.l10n.t('LV-XAttn and ring attention'), value: ['forward'] },
    {
      label: vscode.l10n.t('Forward and backward'),
      detail: vscode.l10n.t('The same with gradients, as in training'),
      value: ['forward', 'backward'],
    },
  ];
  return (await vscode.window.showQuickPick(items, { title: title(vscode.l10n.t('Pass')), ...stays }))?.value;
}

export type Where = { readonly kind: 'here' } | { readonly kind: 'copy'; readonly hosts: Hosts | undefined };

export async function pickWhere(): Promise<Where | undefined> {
  const items: readonly Valued<'here' | 'copy' | 'hosts'>[] = [
    {
      label: vscode.l10n.t('$(play) Run Here'),
      detail: vscode.l10n.t('Starts torchrun on this machine'),
      value: 'here',
    },
    {
      label: vscode.l10n.t('$(copy) Copy Command to Run Elsewhere'),
      detail: vscode.l10n.t('Writes the schedules, and puts the command on the clipboard'),
      value: 'copy',
    },
    {
      label: vscode.l10n.t('$(server-environment) Several Hosts…'),
      detail: vscode.l10n.t('Copies one command for each host'),
      value: 'hosts',
    },
  ];
  const chosen = await vscode.window.showQuickPick(items, { title: title(vscode.l10n.t('Where')), ...stays });
  if (!chosen) return undefined;
  if (chosen.value === 'here') return { kind: 'here' };
  if (chosen.value === 'copy') return { kind: 'copy', hosts: undefined };
  const hosts = await askHosts();
  return hosts && { kind: 'copy', hosts };
}

async function askHosts(): Promise<Hosts | undefined> {
  const count = await vscode.window.showInputBox({
    title: title(vscode.l10n.t('Hosts')),
    ...stays,
    prompt: vscode.l10n.t('How many hosts? Each gets the same number of ranks.'),
    value: '2',
    validateInput: text =>
      /^([2-9]|\d{2,3})$/.test(text.trim()) ? undefined : vscode.l10n.t('A number from 2 to 999'),
  });
  if (count === undefined) return undefined;
  const address = await vscode.window.showInputBox({
    title: title(vscode.l10n.t('First host')),
    ...stays,
    prompt: vscode.l10n.t('Name or address of the first host, with a free port, as the others reach it'),
    placeHolder: 'gpu-1:29500',
    validateInput: text => (parseAddress(text) ? undefined : vscode.l10n.t('For example gpu-1:29500')),
  });
  const parsed = address === undefined ? undefined : parseAddress(address);
  return parsed && { count: Number(count), ...parsed };
}
