import { checkCrossAttention } from './cross-attention-validation.ts';
import { TraceError } from './errors.ts';
import { checkHighResolution } from './high-resolution-validation.ts';
import { checkMethod, checkReduction } from './reduction-validation.ts';
import {
  amount,
  type Check,
  count,
  fail,
  flag,
  list,
  modelSize,
  oneOf,
  optional,
  positive,
  text,
  valueAt,
} from './field-checks.ts';
import { modelFiles } from './model-files.ts';
import { parseDescription } from './kind.ts';
import { isRecord, type TensorEntry } from './safetensors.ts';
import { axisLength, schemaVersion, tensorNames, tensorSpecs, type RunMetadata, type TensorSpec } from './schema.ts';

/** Reads and checks the run description in a trace's `__metadata__`. @throws TraceError */
export function parseMetadata(metadata: Readonly<Record<string, string>>): RunMetadata {
  const run = parseDescription(metadata, 'run');
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
  checkMethod(run as unknown as RunMetadata, fail);
  checkReduction(run as unknown as RunMetadata, fail);
  checkHighResolution(run as unknown as RunMetadata, fail);
  checkCrossAttention(run as unknown as RunMetadata, fail);
}

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
  ['model.folder', optional(text)],
  ['model.bundled', flag],
  ['model.parameters', count],
  ['model.digest', text],
  ['model.files', optional(modelFiles)],
  ['model.vision.layers', modelSize],
  ['model.vision.heads', modelSize],
  ['model.vision.featureLayers', list],
  ['model.decoder.layers', modelSize],
  ['model.decoder.heads', modelSize],
  ['model.decoder.keyValueHeads', modelSize],
  ['method.name', text],
  ['image.name', text],
  ['image.path', optional(text)],
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
    const expected = spec.axes.map((axis, index) => axisLength(axis, metadata) ?? entry.shape[index]!);
    checkTensor(name, entry, spec, expected);
  }
  if (entries.has('hover.answer_overlay') && !metadata.hover) {
    throw new TraceError(
      'bad-metadata',
      'The trace has the tensor "hover.answer_overlay", but the run description does not say in "hover" what it shows.',
    );
  }
}

/** Type, shape and size of one tensor. @throws TraceError `wrong-tensor` */
export function checkTensor(
  name: string,
  entry: TensorEntry,
  { dtypes, axes, largest }: { dtypes: readonly string[]; axes: readonly string[]; largest?: number },
  expected: readonly number[],
): void {
  const wrong = (problem: string): never => {
    throw new TraceError('wrong-tensor', `Tensor "${name}" ${problem}.`, name);
  };
  if (!dtypes.includes(entry.dtype)) wrong(`is ${entry.dtype}, expected ${dtypes.join(' or ')}`);
  if (entry.shape.length !== expected.length || expected.some((size, index) => size !== entry.shape[index])) {
    wrong(`has shape [${entry.shape.join(', ')}], expected [${expected.join(', ')}] (${axes.join(', ')})`);
  }
  if (largest !== undefined && entry.bytes > largest) wrong(`has ${entry.bytes} bytes, more than ${largest}`);
}
