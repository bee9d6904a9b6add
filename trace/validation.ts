import { TraceError } from './errors.ts';
import { checkReduction } from './reduction-validation.ts';
import { isRecord, type TensorEntry } from './safetensors.ts';
import {
  axisLength,
  metadataKey,
  schemaVersion,
  tensorNames,
  tensorSpecs,
  type RunMetadata,
  type TensorSpec,
  type TraceDtype,
} from './schema.ts';

/** Reads and checks the run description in a trace's `__metadata__`. @throws TraceError */
export function parseMetadata(metadata: Readonly<Record<string, string>>): RunMetadata {
  const json = metadata[metadataKey];
  if (json === undefined) {
    throw new TraceError(
      'bad-metadata',
      'This safetensors file holds no Fovea run: its metadata has no "fovea" entry.',
    );
  }
  let run: unknown;
  try {
    run = JSON.parse(json);
  } catch {
    throw new TraceError('bad-metadata', 'The run description in the metadata is not valid JSON.');
  }
  validateMetadata(run);
  return run;
}

/** @throws TraceError `newer-schema`, or `bad-metadata` naming the field */
export function validateMetadata(run: unknown): asserts run is RunMetadata {
  if (!isRecord(run)) throw new TraceError('bad-metadata', 'The run description is not an object.');
  const schema = run['schema'];
  if (typeof schema === 'number' && schema > schemaVersion) {
    throw new TraceError(
      'newer-schema',
      `This trace has schema ${schema}; this version of Fovea reads up to ${schemaVersion}. Update Fovea to open it.`,
    );
  }
  if (schema !== schemaVersion) fail('schema', `is ${JSON.stringify(schema)}, expected ${schemaVersion}`);
  for (const [path, check] of checkedFields) check(valueAt(run, path), path);
  checkTokens(run as unknown as RunMetadata);
  checkHover(run as unknown as RunMetadata);
  checkReduction(run as unknown as RunMetadata, fail);
}

const largestModelSize = 10_000;

type Check = (value: unknown, path: string) => void;

const text: Check = (value, path) => {
  if (typeof value !== 'string') fail(path, 'is not text');
};
const count: Check = (value, path) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) fail(path, 'is not a count');
};
const optionalText: Check = (value, path) => {
  if (value !== undefined) text(value, path);
};
const positive: Check = (value, path) => {
  if (!Number.isSafeInteger(value) || (value as number) < 1) fail(path, 'is not a positive integer');
};
/** A size that lists are built from: bounded, since a trace without rows proves no size by its bytes. */
const modelSize: Check = (value, path) => {
  positive(value, path);
  if ((value as number) > largestModelSize) fail(path, `is ${String(value)}, more than ${largestModelSize}`);
};
const amount: Check = (value, path) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) fail(path, 'is not a number');
};
const flag: Check = (value, path) => {
  if (typeof value !== 'boolean') fail(path, 'is not true or false');
};
const list: Check = (value, path) => {
  if (!Array.isArray(value)) fail(path, 'is not a list');
};
const oneOf =
  (...allowed: string[]): Check =>
  (value, path) => {
    if (!allowed.includes(value as string)) fail(path, `is ${JSON.stringify(value)}, expected ${allowed.join(' or ')}`);
  };

const checkedFields: readonly (readonly [string, Check])[] = [
  ['id', text],
  ['created', text],
  ['status.state', oneOf('complete', 'cancelled')],
  ['producer.name', text],
  ['producer.version', text],
  ['engine.name', text],
  ['engine.device', text],
  ['engine.threads', count],
  ['model.name', text],
  ['model.bundled', flag],
  ['model.parameters', count],
  ['model.digest', text],
  ['model.vision.layers', modelSize],
  ['model.vision.heads', modelSize],
  ['model.vision.featureLayers', list],
  ['model.decoder.layers', modelSize],
  ['model.decoder.heads', modelSize],
  ['model.decoder.keyValueHeads', modelSize],
  ['method.name', text],
  ['image.name', text],
  ['image.path', optionalText],
  ['image.digest', text],
  ['image.width', positive],
  ['image.height', positive],
  ['image.notes', list],
  ['image.display.mime', oneOf('image/webp', 'image/png', 'image/jpeg')],
  ['image.display.width', positive],
  ['image.display.height', positive],
  ['image.input.width', positive],
  ['image.input.height', positive],
  ['image.crop.x', amount],
  ['image.crop.y', amount],
  ['image.crop.width', amount],
  ['image.crop.height', amount],
  ['prompt.question', text],
  ['prompt.text', text],
  ['generation.maxNewTokens', count],
  ['generation.sampling.mode', oneOf('greedy', 'sample')],
  ['generation.stop', oneOf('end-of-sequence', 'length', 'cancelled')],
  ['visual.first', count],
  ['visual.count', positive],
  ['visual.leading', count],
  ['visual.grid.rows', positive],
  ['visual.grid.columns', positive],
  ['tokens', list],
  ['promptTokens', count],
  ['answer', text],
  ['ms.load', amount],
  ['ms.vision', amount],
  ['ms.prefill', amount],
  ['ms.decode', amount],
  ['ms.total', amount],
  ['attention.precision', oneOf('F16', 'F32')],
  ['attention.sumTolerance', amount],
];

function checkTokens({ tokens, promptTokens, visual }: RunMetadata): void {
  if (promptTokens > tokens.length) fail('promptTokens', `is ${promptTokens}, but there are ${tokens.length} tokens`);
  const patches = visual.grid.rows * visual.grid.columns;
  if (visual.count !== patches + visual.leading) {
    fail(
      'visual.count',
      `is ${visual.count}, but the grid has ${patches} patches and ${visual.leading} leading tokens`,
    );
  }
  let previous = -1;
  tokens.forEach((token: unknown, index) => {
    const path = `tokens[${index}]`;
    if (!isRecord(token)) return fail(path, 'is not an object');
    count(token['id'], `${path}.id`);
    text(token['text'], `${path}.text`);
    count(token['position'], `${path}.position`);
    oneOf('bos', 'system', 'question', 'generated')(token['role'], `${path}.role`);
    if ((token['role'] === 'generated') !== index >= promptTokens) fail(`${path}.role`, 'contradicts promptTokens');
    const position = token['position'] as number;
    if (position <= previous) fail(`${path}.position`, `is ${position}, not after ${previous}`);
    if (position >= visual.first && position < visual.first + visual.count)
      fail(`${path}.position`, 'lies among the visual tokens');
    if (index >= promptTokens) amount(token['logprob'], `${path}.logprob`);
    previous = position;
  });
}

function checkHover({ hover, model }: { readonly hover?: unknown; readonly model: RunMetadata['model'] }): void {
  if (hover === undefined) return;
  if (!isRecord(hover)) return fail('hover', 'is not an object');
  const { layer, heads, maximum } = hover;
  count(layer, 'hover.layer');
  if ((layer as number) >= model.decoder.layers) {
    fail('hover.layer', `is ${String(layer)}, but the decoder has ${model.decoder.layers} layers`);
  }
  oneOf('mean')(heads, 'hover.heads');
  amount(maximum, 'hover.maximum');
  if ((maximum as number) < 0 || (maximum as number) > 1) fail('hover.maximum', 'is not a probability');
}

function fail(path: string, problem: string): never {
  throw new TraceError('bad-metadata', `In the run description, ${path} ${problem}.`);
}

function valueAt(record: Record<string, unknown>, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (isRecord(value) ? value[key] : undefined), record);
}

/** Every required tensor is there, and every known tensor has the dtype and shape that the metadata implies. @throws TraceError */
export function validateTensors(metadata: RunMetadata, entries: ReadonlyMap<string, TensorEntry>): void {
  for (const name of tensorNames) {
    const spec: TensorSpec = tensorSpecs[name];
    const entry = entries.get(name);
    if (!entry) {
      if (spec.required)
        throw new TraceError('missing-tensor', `The trace lacks the tensor "${name}" (${spec.meaning}).`, name);
      continue;
    }
    if (!spec.dtypes.includes(entry.dtype as TraceDtype)) {
      throw new TraceError(
        'wrong-tensor',
        `Tensor "${name}" is ${entry.dtype}, expected ${spec.dtypes.join(' or ')}.`,
        name,
      );
    }
    const expected = spec.axes.map((axis, index) => axisLength(axis, metadata) ?? entry.shape[index]);
    if (entry.shape.length !== expected.length || expected.some((size, index) => size !== entry.shape[index])) {
      throw new TraceError(
        'wrong-tensor',
        `Tensor "${name}" has shape [${entry.shape.join(', ')}], expected [${expected.join(', ')}] (${spec.axes.join(', ')}).`,
        name,
      );
    }
    if (spec.largest !== undefined && entry.bytes > spec.largest) {
      throw new TraceError(
        'wrong-tensor',
        `Tensor "${name}" has ${entry.bytes} bytes, more than ${spec.largest}.`,
        name,
      );
    }
  }
  if (entries.has('hover.answer_overlay') && !metadata.hover) {
    throw new TraceError(
      'bad-metadata',
      'The trace has the tensor "hover.answer_overlay", but the run description does not say in "hover" what it shows.',
    );
  }
}
