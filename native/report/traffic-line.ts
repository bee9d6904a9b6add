/** The command lines that make traffic again. */
import type { Mask } from '../../trace/traffic/masks.ts';
import { rankCount, rowTotal, type TrafficMetadata, type TrafficRun } from '../../trace/traffic/metadata.ts';
import { splitEvenly } from '../../trace/traffic/sizes.ts';
import { requestOfTrace, sizesAgain, type TrafficAgain } from '../traffic/request-of-trace.ts';
import { type Option, optionWords, pathWord } from './reproduction.ts';

/** Whether ranks of torch.distributed sent it, which are started from Python. */
export const fromTorch = ({ runs }: Pick<TrafficMetadata, 'runs'>): boolean =>
  runs.some(({ backend }) => backend.name.startsWith('torch'));

/** For a shell; of torch ranks, from the folder `native/torch`. @throws FoveaError `usage` for what the trace does not hold */
export function trafficLine(metadata: TrafficMetadata): string {
  if (fromTorch(metadata)) return torchLine(metadata);
  const { workload, runs } = metadata;
  const request = requestOfTrace(workload, runs);
  const { source, origin, seed } = workload;
  return foveaTraffic(request, [
    ...(source === 'images' && !origin?.model.bundled ? [['model', origin!.model.folder] as const] : []),
    ['repeats', request.repeats],
    ...(seed === undefined ? [] : ([['seed', seed]] as const)),
  ]);
}

function foveaTraffic(request: TrafficAgain, further: readonly Option[]): string {
  const { workload, choices, ranks, mask, element, pass, wire, link } = request;
  const [first, ...others] = choices.map(({ algorithm, repeatKeyValueHeads }) =>
    repeatKeyValueHeads ? `${algorithm}-repeated` : algorithm,
  );
  const other = <Value>(option: string, value: Value, usual: Value): Option[] =>
    value === usual ? [] : [[option, String(value)]];
  const options: Option[] = [
    ['algorithm', first!],
    ...(others.length > 0 ? ([['compare', others.join(',')]] as const) : []),
    ['ranks', ranks],
    ...sizeOptions(workload),
    ...other('mask', maskWord(mask), 'none'),
    ['dtype', element],
    ['pass', pass],
    ...other('output-wire', wire.output, 'element'),
    ...other('gradient-wire', wire.gradient, 'element'),
    ...other('backward', wire.backward, 'official'),
    ...(link ? ([['link-latency', `${link.latency * 1e6}us`]] as const) : []),
    ...(link && link.bandwidth !== Number.MAX_VALUE ? ([['link-bandwidth', link.bandwidth]] as const) : []),
    ...further,
  ];
  const images = workload.kind === 'images' ? ['--images', ...workload.paths.map(pathWord)] : [];
  return ['fovea', 'traffic', ...images, ...optionWords(options)].join(' ');
}

function sizeOptions(workload: TrafficAgain['workload']): Option[] {
  switch (workload.kind) {
    case 'images':
      return [
        ['question', workload.question],
        ['frames', workload.frames],
        ...(workload.weights === undefined ? [] : ([['weights', workload.weights]] as const)),
        ...(workload.layer === undefined ? [] : ([['layer', workload.layer]] as const)),
        ...(workload.visionTower === undefined ? [] : ([['vision-tower', workload.visionTower]] as const)),
      ];
    case 'preset':
      return [
        ['preset', workload.name],
        ['scale', workload.scale],
      ];
    case 'sizes': {
      const { shape, sharding } = workload;
      return [
        ['sq', rows(sharding.queryRows)],
        ['skv', rows(sharding.keyRows)],
        ['heads', shape.queryHeads],
        ['kv-heads', shape.keyValueHeads],
        ['head-dim', shape.headSize],
      ];
    }
  }
}

/** One number where rows are split evenly, else one of each rank. */
function rows(each: readonly number[]): string | number {
  const even = splitEvenly(rowTotal(each), each.length);
  return each.every((count, rank) => count === even[rank]) ? rowTotal(each) : each.join(',');
}

function maskWord(mask: Mask): string {
  switch (mask.name) {
    case 'none':
      return mask.name;
    case 'padding':
      return `${mask.name}:${mask.share}`;
    case 'causal-frames':
    case 'own-frame':
      return mask.frames === undefined ? mask.name : `${mask.name}:${mask.frames}`;
  }
}

/** A schedule for each run, and one start of the ranks with all of them; their inputs are noise, of images, too. */
function torchLine({ workload, runs }: TrafficMetadata): string {
  const [first] = runs;
  const { links, repeats, backend } = first!;
  const noise = {
    ...workload,
    source: 'sizes',
    ...(workload.frames && { maskFrames: workload.frames.length }),
  } as const;
  const { frames: _frames, ...sizes } = noise;
  const scheduled = runs.filter(run => !(workload.mask !== 'none' && isPreceded(run, runs)));
  const schedules = scheduled.map((run, index) => {
    const { link: _link, ...request } = requestOfTrace(sizes, [run]);
    const file = `job-${index + 1}.json`;
    return { file, line: foveaTraffic({ ...request, workload: sizesAgain(sizes) }, [['schedule', file]]) };
  });
  const ranks = ['python3 -m fovea_ranks', `--ranks ${rankCount(workload) / backend.hosts}`];
  if (backend.hosts > 1) ranks.push(`--hosts ${backend.hosts} --host HOST --address ADDRESS --port PORT`);
  ranks.push(`--schedule ${schedules.map(({ file }) => file).join(' ')}`, '--out again.fovea');
  ranks.push(`--repeat ${Math.max(1, repeats.totals.length)} --warmup ${repeats.warmups} --seed ${workload.seed ?? 1}`);
  if (links.simulated && links.bandwidth !== null) ranks.push(`--throttle ${links.bandwidth / 1e9}`);
  if (links.simulated && links.latency > 0) ranks.push(`--latency ${links.latency}`);
  return [...schedules.map(({ line }) => line), ranks.join(' ')].join(' && ');
}

/** With a mask, a schedule of a backward pass holds its forward pass, too. */
const isPreceded = (run: TrafficRun, runs: readonly TrafficRun[]): boolean =>
  run.pass === 'forward' &&
  runs.some(
    ({ pass, algorithm, wire }) =>
      pass === 'backward' && algorithm === run.algorithm && wire.repeatKeyValueHeads === run.wire.repeatKeyValueHeads,
  );
