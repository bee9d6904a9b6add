/** The steps from the palette to an order for ranks of this machine. */
import path from 'node:path';
import * as vscode from 'vscode';
import type { TrafficRequest, TrafficWorkloadChoice } from '../../native/rpc.ts';
import { algorithmNames } from '../../trace/traffic/metadata.ts';
import { presets } from '../../trace/traffic/presets.ts';
import { type Algorithm, algorithms, type Pass } from '../../trace/traffic/schedule.ts';
import { hasPass } from '../../trace/traffic/schedules/build-schedule.ts';
import { defaultWire, splitEvenly } from '../../trace/traffic/sizes.ts';
import { imageExtensions, imageGlob } from '../image-files.ts';
import { parseSizes, type WorkloadSizes } from '../ranks/workload.ts';
import { Settings } from '../settings/settings.ts';
import { plainLabel } from '../plain-words.ts';
import { pickOrType } from '../typed-pick.ts';
import { type Link, parseLink } from './traffic-answers.ts';

export interface TrafficPick {
  readonly request: Omit<TrafficRequest, 'progressToken' | 'tracePath'>;
  /** What the trace is named after. */
  readonly name: string;
}

const title = (step: string): string => vscode.l10n.t('Run LV-XAttn on this Machine: {0}', step);
/** What was chosen before is not lost when another window is looked into. */
const stays = { ignoreFocusOut: true } as const;
const mostRanks = 32;
const mostFrames = 16;
const defaultQuestion = 'Describe this picture.';

interface Valued<Value> extends vscode.QuickPickItem {
  readonly value: Value;
}

/** @returns undefined when the user leaves */
export async function pickTraffic(modelFolder: string, extensionUri: vscode.Uri): Promise<TrafficPick | undefined> {
  const source = await pickSource();
  const chosen = source && (await pickWorkload(source, modelFolder, extensionUri));
  const ranks = chosen && (await pickRanks());
  if (!chosen || ranks === undefined) return undefined;
  const pass = await pickPass();
  const compared = pass && (await pickCompared(pass));
  const link = compared && (await pickLink());
  if (!link) return undefined;
  const { sizes } = chosen;
  const workload: TrafficWorkloadChoice = sizes
    ? {
        kind: 'sizes',
        shape: sizes.shape,
        sharding: { queryRows: splitEvenly(sizes.queries, ranks), keyRows: splitEvenly(sizes.keys, ranks) },
      }
    : chosen.workload;
  const first = { algorithm: 'lv-xattn' as const, repeatKeyValueHeads: false };
  return {
    name: chosen.name,
    request: {
      workload,
      choices: [first, ...compared],
      ranks,
      pass,
      element: workload.kind === 'preset' ? 'F16' : 'F32',
      seed: 1,
      wire: { ...defaultWire, element: workload.kind === 'preset' ? 'F16' : 'F32' },
      ...(link.emulated && { link: link.emulated }),
      repeats: 3,
    },
  };
}

type Source = 'images' | 'sizes' | 'preset';

async function pickSource(): Promise<Source | undefined> {
  const items: readonly Valued<Source>[] = [
    {
      label: vscode.l10n.t('$(file-media) Images or an Animation…'),
      detail: vscode.l10n.t(
        'Your frames and question, through the model’s cross-attention or its high-resolution projections',
      ),
      value: 'images',
    },
    {
      label: vscode.l10n.t('$(symbol-numeric) Sizes…'),
      detail: vscode.l10n.t('Seeded noise of any size'),
      value: 'sizes',
    },
    {
      label: vscode.l10n.t('$(beaker) A Model of the LV-XAttn Paper…'),
      detail: vscode.l10n.t('Its heads and tokens, divided so that they fit; seeded noise'),
      value: 'preset',
    },
  ];
  const placeHolder = vscode.l10n.t('What are queries, keys and values?');
  return (await vscode.window.showQuickPick(items, { title: title(vscode.l10n.t('Workload')), placeHolder, ...stays }))
    ?.value;
}

type Chosen =
  | { readonly name: string; readonly workload: TrafficWorkloadChoice; readonly sizes?: undefined }
  | { readonly name: string; readonly sizes: WorkloadSizes };

async function pickWorkload(
  source: Source,
  modelFolder: string,
  extensionUri: vscode.Uri,
): Promise<Chosen | undefined> {
  switch (source) {
    case 'images':
      return pickImages(modelFolder, extensionUri);
    case 'sizes': {
      const sizes = await pickSizes();
      return sizes && { name: `${sizes.queries}x${sizes.keys}`, sizes };
    }
    case 'preset':
      return pickPreset();
  }
}

async function pickImages(modelFolder: string, extensionUri: vscode.Uri): Promise<Chosen | undefined> {
  const images = await pickFrames(extensionUri);
  if (!images || images.length === 0) return undefined;
  const question = await vscode.window.showInputBox({
    title: title(vscode.l10n.t('Question')),
    prompt: vscode.l10n.t('Its tokens and those of the answer are the queries'),
    value: defaultQuestion,
    ...stays,
    validateInput: text => (text.trim() === '' ? vscode.l10n.t('Type a question') : undefined),
  });
  if (question === undefined) return undefined;
  return {
    name: path.posix.basename(images[0]!.path),
    workload: {
      kind: 'images',
      paths: images.map(({ fsPath }) => fsPath),
      question: question.trim(),
      modelFolder,
      ...new Settings().visionTower,
      frames: mostFrames,
    },
  };
}

async function pickFrames(extensionUri: vscode.Uri): Promise<readonly vscode.Uri[] | undefined> {
  const found = await vscode.workspace.findFiles(imageGlob, '**/node_modules/**', 500);
  const listed = found.length > 0 ? found : await samples(extensionUri);
  const items: readonly Valued<vscode.Uri | undefined>[] = [
    ...listed
      .sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }))
      .map(uri => ({
        label: plainLabel(path.posix.basename(uri.path)),
        description: vscode.workspace.asRelativePath(uri),
        value: uri,
      })),
    { label: vscode.l10n.t('$(folder-opened) Browse…'), alwaysShow: true, value: undefined },
  ];
  const chosen = await vscode.window.showQuickPick(items, {
    title: title(vscode.l10n.t('Images')),
    placeHolder: vscode.l10n.t(
      'Check images; one is read in high resolution, an animation frame by frame (up to {0})',
      mostFrames,
    ),
    canPickMany: true,
    ...stays,
    matchOnDescription: true,
  });
  if (!chosen) return undefined;
  const images = chosen.flatMap(({ value }) => value ?? []);
  if (images.length > 0 && chosen.every(({ value }) => value !== undefined)) return images;
  return vscode.window.showOpenDialog({
    title: title(vscode.l10n.t('Images')),
    canSelectMany: true,
    filters: { [vscode.l10n.t('Images')]: [...imageExtensions] },
  });
}

async function samples(extensionUri: vscode.Uri): Promise<vscode.Uri[]> {
  const folder = vscode.Uri.joinPath(extensionUri, 'media', 'samples');
  const entries = await vscode.workspace.fs.readDirectory(folder);
  return entries.filter(([name]) => name.endsWith('.png')).map(([name]) => vscode.Uri.joinPath(folder, name));
}

async function pickSizes(): Promise<WorkloadSizes | undefined> {
  const item = (text: string): Valued<WorkloadSizes> | undefined => {
    const value = parseSizes(text, 'F32');
    if (!value) return undefined;
    const { queryHeads, keyValueHeads, headSize } = value.shape;
    const detail = vscode.l10n.t(
      '{0} query heads, {1} key-value heads of size {2}',
      queryHeads,
      keyValueHeads,
      headSize,
    );
    return { label: vscode.l10n.t('{0} queries × {1} keys', value.queries, value.keys), detail, value };
  };
  const chosen = await pickOrType<Valued<WorkloadSizes>>({
    title: title(vscode.l10n.t('Sizes')),
    placeholder: vscode.l10n.t('Text tokens x visual tokens, or with heads: 64 x 4096, 8/2/64'),
    items: ['64 x 4096', '256 x 8192', '256 x 16384, 32/8/64'].map(item).filter(entry => entry !== undefined),
    itemFor: item,
  });
  return chosen?.value;
}

async function pickPreset(): Promise<Chosen | undefined> {
  const items = presets.flatMap(({ name, title: model, sizes }) =>
    sizes.a30.map(({ label }, row): Valued<string> => {
      const value = `${name}:a30:${row + 1}`;
      return {
        label: model,
        description: label,
        detail: vscode.l10n.t('Table 4 of the paper, row {0}', row + 1),
        value,
      };
    }),
  );
  const placeHolder = vscode.l10n.t('Tokens are divided so that the run takes seconds here');
  const chosen = await vscode.window.showQuickPick(items, {
    title: title(vscode.l10n.t('Model')),
    placeHolder,
    ...stays,
  });
  return (
    chosen && {
      name: chosen.value.replaceAll(':', '-'),
      workload: { kind: 'preset', name: chosen.value, scale: 'auto' },
    }
  );
}

async function pickRanks(): Promise<number | undefined> {
  const item = (value: number): Valued<number> => ({
    label: String(value),
    description: vscode.l10n.t('threads of this machine'),
    value,
  });
  const chosen = await pickOrType<Valued<number>>({
    title: title(vscode.l10n.t('Ranks')),
    placeholder: vscode.l10n.t('How many ranks? Choose, or type a number up to {0}', mostRanks),
    items: [4, 2, 8].map(item),
    itemFor: typed => (/^[1-9]\d*$/.test(typed) && Number(typed) <= mostRanks ? item(Number(typed)) : undefined),
  });
  return chosen?.value;
}

async function pickPass(): Promise<Pass | undefined> {
  const items: readonly Valued<Pass>[] = [
    { label: vscode.l10n.t('Forward'), value: 'forward' },
    { label: vscode.l10n.t('Backward'), detail: vscode.l10n.t('The gradients, as in training'), value: 'backward' },
  ];
  return (await vscode.window.showQuickPick(items, { title: title(vscode.l10n.t('Pass')), ...stays }))?.value;
}

type Choice = TrafficRequest['choices'][number];

async function pickCompared(pass: Pass): Promise<readonly Choice[] | undefined> {
  const item = (algorithm: Algorithm, repeated = false): Valued<Choice> => ({
    label: repeated ? vscode.l10n.t('{0}, repeated heads', algorithmNames[algorithm]) : algorithmNames[algorithm],
    picked: algorithm === 'ring' && !repeated,
    value: { algorithm, repeatKeyValueHeads: repeated },
  });
  const others = algorithms.filter(algorithm => algorithm !== 'lv-xattn' && hasPass(algorithm, pass));
  const items = others.flatMap(algorithm =>
    algorithm === 'ring' ? [item(algorithm), item(algorithm, true)] : [item(algorithm)],
  );
  const chosen = await vscode.window.showQuickPick(items, {
    title: title(vscode.l10n.t('Compare With')),
    placeHolder: vscode.l10n.t('Algorithms that run on the same workload, side by side'),
    canPickMany: true,
    ...stays,
  });
  return chosen?.map(({ value }) => value);
}

async function pickLink(): Promise<{ readonly emulated: Link | undefined } | undefined> {
  const item = (text: string, detail?: string): Valued<Link> | undefined => {
    const value = parseLink(text);
    return value && { label: text, ...(detail === undefined ? {} : { detail }), value };
  };
  const none: Valued<undefined> = {
    label: vscode.l10n.t('$(zap) As They Are'),
    detail: vscode.l10n.t('Messages are handed over in memory; their times say nothing about a network'),
    value: undefined,
  };
  const chosen = await pickOrType<Valued<Link | undefined>>({
    title: title(vscode.l10n.t('Links')),
    placeholder: vscode.l10n.t('Emulate links? Choose, or type e.g. 1.25 GB/s, 20 µs'),
    items: [
      item('3 GB/s, 20 µs', vscode.l10n.t('Emulated; what table 3 of the paper implies for its cluster')),
      item('1.25 GB/s, 20 µs', vscode.l10n.t('Emulated; 10 Gbit Ethernet')),
      none,
    ].filter(entry => entry !== undefined),
    itemFor: typed => item(typed),
  });
  return chosen && { emulated: chosen.value };
}
