import { TraceError } from '../errors.ts';
import {
  amount,
  type Check,
  count,
  fail,
  flag,
  list,
  listOf,
  modelSize,
  oneOf,
  optional,
  positive,
  text,
  texts,
  valueAt,
} from '../field-checks.ts';
import { modelFiles } from '../model-files.ts';
import { parseDescription } from '../kind.ts';
import { isRecord, type TensorEntry } from '../safetensors.ts';
import { checkTensor } from '../validation.ts';
import type { Ledger } from './ledger.ts';
import { rowTotal, trafficKind, type TrafficMetadata, trafficSchemaVersion } from './metadata.ts';
import { algorithms, elementTypes, passes, tensorKinds } from './schedule.ts';
import { trafficAxisLength, type TrafficTensorName, trafficTensorNames, trafficTensorSpecs } from './schema.ts';

/** Reads and checks the description in a traffic trace's `__metadata__`. @throws TraceError */
export function parseTrafficMetadata(metadata: Readonly<Record<string, string>>): TrafficMetadata {
  const description = parseDescription(metadata, trafficKind);
  validateTrafficMetadata(description);
  return description;
}

/** @throws TraceError `newer-schema`, or `bad-metadata` naming the field */
export function validateTrafficMetadata(value: unknown): asserts value is TrafficMetadata {
  if (!isRecord(value)) throw new TraceError('bad-metadata', 'The run description is not an object.');
  const schema = value['schema'];
  if (typeof schema === 'number' && schema > trafficSchemaVersion) {
    throw new TraceError(
      'newer-schema',
      `This traffic trace has schema ${schema}; this version of Fovea reads up to ${trafficSchemaVersion}. Update Fovea to open it.`,
    );
  }
  if (schema !== trafficSchemaVersion) fail('schema', `is ${JSON.stringify(schema)}, expected ${trafficSchemaVersion}`);
  checkFields(value, '', fields);
  const ranks = checkWorkload(value['workload'] as Record<string, unknown>);
  checkState(value['status'], 'status');
  (value['runs'] as unknown[]).forEach((run, index) => {
    checkRun(run, `runs[${index}]`, ranks);
  });
}

type Fields = readonly (readonly [string, Check])[];

function checkFields(value: Record<string, unknown>, prefix: string, checks: Fields): void {
  for (const [path, check] of checks) check(valueAt(value, path), prefix + path);
}

const fields: Fields = [
  ['kind', oneOf(trafficKind)],
  ['id', text],
  ['created', text],
  ['producer.name', text],
  ['producer.version', text],
  ['workload.name', text],
  ['workload.source', oneOf('images', 'preset', 'sizes')],
  ['workload.description', text],
  ['workload.shape.queryHeads', positive],
  ['workload.shape.keyValueHeads', positive],
  ['workload.shape.headSize', positive],
  ['workload.sharding.queryRows', list],
  ['workload.sharding.keyRows', list],
  ['workload.element', oneOf(...elementTypes)],
  ['workload.layers', positive],
  ['workload.mask', oneOf('none', 'staircase', 'own-frame', 'padding')],
  ['workload.maskFrames', optional(positive)],
  ['workload.maskShare', optional(amount)],
  ['workload.seed', optional(amount)],
  ['workload.scaledBy', optional(amount)],
  ['workload.unverified', optional(texts)],
  ['workload.question', optional(text)],
  ['workload.answer', optional(text)],
  ['runs', list],
];

/** More than anybody runs, and few enough to build matrices from. */
const mostRanks = 4096;

/** @returns the number of ranks */
function checkWorkload(workload: Record<string, unknown>): number {
  const { queryRows, keyRows } = workload['sharding'] as Record<string, unknown[]>;
  const ranks = queryRows!.length;
  if (ranks < 1 || ranks > mostRanks) fail('workload.sharding.queryRows', `has ${ranks} ranks`);
  if (keyRows!.length !== ranks) fail('workload.sharding.keyRows', `has ${keyRows!.length} ranks instead of ${ranks}`);
  queryRows!.forEach(counted('workload.sharding.queryRows'));
  keyRows!.forEach(counted('workload.sharding.keyRows'));
  const { tokens, frames, origin } = workload;
  if (tokens !== undefined) {
    list(tokens, 'workload.tokens');
    const rows = rowTotal(queryRows as number[]);
    if ((tokens as unknown[]).length !== rows) {
      fail('workload.tokens', `has ${(tokens as unknown[]).length} tokens for ${rows} query rows`);
    }
    eachRecord(tokens as unknown[], 'workload.tokens', [
      ['text', text],
      ['role', oneOf('bos', 'system', 'question', 'generated')],
    ]);
  }
  if (frames !== undefined) {
    list(frames, 'workload.frames');
    eachRecord(frames as unknown[], 'workload.frames', [
      ['name', text],
      ['width', positive],
      ['height', positive],
      ['mime', oneOf('image/webp', 'image/png', 'image/jpeg')],
      ['offset', count],
      ['bytes', count],
      ['firstKey', count],
      ['keys', count],
      ['grid.rows', positive],
      ['grid.columns', positive],
    ]);
  }
  if (origin !== undefined) {
    eachRecord([origin], 'workload.origin', originFields);
    eachRecord((origin as { readonly sources: unknown[] }).sources, 'workload.origin.sources', [
      ['path', text],
      ['digest', text],
    ]);
  }
  return ranks;
}

const originFields: Fields = [
  ['sources', list],
  ['mostFrames', positive],
  ['weights', oneOf('cross-attention', 'flexattention')],
  ['layer', count],
  ['model.name', text],
  ['model.folder', text],
  ['model.bundled', flag],
  ['model.digest', text],
  ['model.files', optional(modelFiles)],
  ['model.visionTower', optional(text)],
];

const counted =
  (path: string) =>
  (value: unknown, index: number): void => {
    count(value, `${path}[${index}]`);
  };

function eachRecord(values: readonly unknown[], path: string, checks: Fields): void {
  values.forEach((value, index) => {
    if (!isRecord(value)) return fail(`${path}[${index}]`, 'is not an object');
    checkFields(value, `${path}[${index}].`, checks);
  });
}

function checkState(value: unknown, path: string): void {
  if (!isRecord(value)) return fail(path, 'is not an object');
  oneOf('complete', 'partial')(value['state'], `${path}.state`);
  if (value['state'] !== 'partial') return;
  checkFields(value, `${path}.`, [
    ['cause.code', text],
    ['cause.message', text],
    ['cause.hint', text],
  ]);
}

const runFields: Fields = [
  ['algorithm', oneOf(...algorithms)],
  ['pass', oneOf(...passes)],
  ['wire.element', oneOf(...elementTypes)],
  ['wire.output', oneOf('element', 'float32')],
  ['wire.gradient', oneOf('element', 'float32')],
  ['wire.repeatKeyValueHeads', flag],
  ['wire.backward', oneOf('official', 'delta')],
  ['rounds', modelSize],
  ['backend.name', text],
  ['backend.hardware', text],
  ['backend.hosts', positive],
  ['backend.devices', texts],
  ['backend.kernel', text],
  ['links.simulated', flag],
  ['links.latency', amount],
  ['links.description', text],
  ['clock.source', text],
  ['clock.errorNs', amount],
  ['repeats.warmups', count],
  ['repeats.totals', listOf(amount)],
  ['memory.method', text],
  ['checks', list],
];

const timeFields = ['compute', 'communication', 'exposed', 'stall'];

function checkRun(run: unknown, path: string, ranks: number): void {
  if (!isRecord(run)) return fail(path, 'is not an object');
  checkFields(run, `${path}.`, runFields);
  const versions = valueAt(run, 'backend.versions');
  if (!isRecord(versions)) return fail(`${path}.backend.versions`, 'is not an object');
  for (const [name, version] of Object.entries(versions)) text(version, `${path}.backend.versions.${name}`);
  checkState(run['status'], `${path}.status`);
  const perRank = (key: string): void => {
    const values = valueAt(run, key);
    list(values, `${path}.${key}`);
    if ((values as unknown[]).length !== ranks) {
      fail(`${path}.${key}`, `has ${(values as unknown[]).length} values for ${ranks} ranks`);
    }
    for (const value of values as unknown[]) amount(value, `${path}.${key}`);
  };
  perRank('bytes.sentPerRank');
  perRank('bytes.expectedPerRank');
  perRank('memory.peakPerRank');
  const byKind = valueAt(run, 'bytes.sentByKind');
  if (!isRecord(byKind)) return fail(`${path}.bytes.sentByKind`, 'is not an object');
  for (const kind of Object.keys(byKind)) {
    oneOf(...tensorKinds)(kind, `${path}.bytes.sentByKind`);
    perRank(`bytes.sentByKind.${kind}`);
  }
  for (const times of ['times', 'predicted']) {
    if (run[times] === undefined) continue;
    amount(valueAt(run, `${times}.total`), `${path}.${times}.total`);
    for (const key of timeFields) perRank(`${times}.${key}`);
  }
  if (run['agreement'] !== undefined) {
    checkFields(run, `${path}.`, [
      ['agreement.maxAbs', amount],
      ['agreement.relL2', amount],
      ['agreement.cosine', amount],
      ['agreement.tolerance', amount],
      ['agreement.reference', text],
    ]);
  }
  eachRecord(run['checks'] as unknown[], `${path}.checks`, [
    ['name', text],
    ['passed', flag],
    ['message', text],
  ]);
}

/** Every known tensor has the type and shape that the metadata implies. @throws TraceError */
export function validateTrafficTensors(metadata: TrafficMetadata, entries: ReadonlyMap<string, TensorEntry>): void {
  for (const name of trafficTensorNames) {
    const entry = entries.get(name);
    if (!entry) continue;
    const spec = trafficTensorSpecs[name];
    checkTensor(name, entry, spec, expectedShape(name, metadata, entry));
  }
  const stored = entries.get('workload.frames')?.bytes ?? 0;
  for (const [index, { offset, bytes }] of (metadata.workload.frames ?? []).entries()) {
    if (offset + bytes > stored) fail(`workload.frames[${index}]`, `lies outside "workload.frames" of ${stored} bytes`);
  }
}

/** Every event happened on ranks that there are. @throws TraceError `bad-value` */
export function checkLedgerRanks({ transfers, computes, waits, memory, agreement }: Ledger, ranks: number): void {
  const checkRank = (rank: number): void => {
    if (!Number.isSafeInteger(rank) || rank < 0 || rank >= ranks)
      throw new TraceError('bad-value', `An event names rank ${rank}, but there are ${ranks} ranks.`);
  };
  for (const { source, destination } of transfers) {
    checkRank(source);
    checkRank(destination);
  }
  for (const { rank } of computes) checkRank(rank);
  for (const { rank } of waits) checkRank(rank);
  for (const { rank } of memory) checkRank(rank);
  for (const { rank } of agreement) checkRank(rank);
}

function expectedShape(name: TrafficTensorName, metadata: TrafficMetadata, { shape }: TensorEntry): number[] {
  return trafficTensorSpecs[name].axes.map((axis, index) => trafficAxisLength(axis, name, metadata) ?? shape[index]!);
}
