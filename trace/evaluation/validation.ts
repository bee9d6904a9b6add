import { TraceError } from '../errors.ts';
import { type Check, count, fail, flag, list, oneOf, optional, positive, text, valueAt } from '../field-checks.ts';
import { modelFiles } from '../model-files.ts';
import { parseDescription } from '../kind.ts';
import { isRecord, type TensorEntry } from '../safetensors.ts';
import { checkTensor } from '../validation.ts';
import {
  evaluationKind,
  type EvaluationMetadata,
  type EvaluationQuestion,
  evaluationSchemaVersion,
} from './evaluation.ts';
import {
  evaluationAxisLength,
  evaluationTensorNames,
  type EvaluationTensorSpec,
  evaluationTensorSpecs,
} from './schema.ts';

/** Reads and checks the description in an evaluation's `__metadata__`. @throws TraceError */
export function parseEvaluationMetadata(metadata: Readonly<Record<string, string>>): EvaluationMetadata {
  const description = parseDescription(metadata, evaluationKind);
  validateEvaluationMetadata(description);
  return description;
}

type Fields = readonly (readonly [string, Check])[];

const fields: Fields = [
  ['kind', oneOf(evaluationKind)],
  ['id', text],
  ['created', text],
  ['producer.name', text],
  ['producer.version', text],
  ['producer.code', optional(text)],
  ['status.state', oneOf('complete', 'partial')],
  ['model.name', text],
  ['model.folder', text],
  ['model.bundled', flag],
  ['model.digest', text],
  ['model.files', optional(modelFiles)],
  ['model.visualTokens', positive],
  ['model.decoderLayers', positive],
  ['engine.device', text],
  ['engine.hardware', text],
  ['engine.threads', count],
  ['engine.jobs', count],
  ['set.name', text],
  ['set.path', text],
  ['set.digest', text],
  ['set.size', count],
  ['set.bundled', flag],
  ['questions', count],
  ['conditions', list],
  ['maxNewTokens', count],
  ['matching', text],
  ['macFormula', text],
  ['problems', list],
];

/** @throws TraceError `newer-schema`, or `bad-metadata` naming the field */
export function validateEvaluationMetadata(value: unknown): asserts value is EvaluationMetadata {
  if (!isRecord(value)) throw new TraceError('bad-metadata', 'The description is not an object.');
  const schema = value['schema'];
  if (typeof schema === 'number' && schema > evaluationSchemaVersion) {
    throw new TraceError(
      'newer-schema',
      `This evaluation has schema ${schema}; this version of Fovea reads up to ${evaluationSchemaVersion}. Update Fovea to open it.`,
    );
  }
  if (schema !== evaluationSchemaVersion) {
    fail('schema', `is ${JSON.stringify(schema)}, expected ${evaluationSchemaVersion}`);
  }
  checkFields(value, '', fields);
  const conditions = value['conditions'] as unknown[];
  const ids = new Set<unknown>();
  conditions.forEach((condition, index) => {
    const path = `conditions[${index}]`;
    if (!isRecord(condition)) return fail(path, 'is not an object');
    checkFields(condition, `${path}.`, conditionFields);
    if (ids.has(condition['id'])) fail(`${path}.id`, 'was used before');
    ids.add(condition['id']);
  });
  (value['problems'] as unknown[]).forEach((problem, index) => {
    if (!isRecord(problem)) return fail(`problems[${index}]`, 'is not an object');
    checkFields(problem, `problems[${index}].`, [
      ['line', count],
      ['message', text],
    ]);
  });
}

const conditionFields: Fields = [
  ['id', text],
  ['method', text],
  ['title', text],
  ['budget', optional(positive)],
  ['variant', optional(oneOf('code', 'paper'))],
  ['counted', optional(oneOf('entering', 'leaving'))],
  [
    'parameters',
    (value, path) => {
      if (!isRecord(value)) fail(path, 'is not an object');
    },
  ],
];

function checkFields(value: Record<string, unknown>, prefix: string, checks: Fields): void {
  for (const [path, check] of checks) check(valueAt(value, path), prefix + path);
}

/** Every tensor is there with the type and shape that the metadata implies. @throws TraceError */
export function validateEvaluationTensors(
  metadata: EvaluationMetadata,
  entries: ReadonlyMap<string, TensorEntry>,
): void {
  for (const name of evaluationTensorNames) {
    const spec: EvaluationTensorSpec = evaluationTensorSpecs[name];
    const entry = entries.get(name);
    if (!entry && spec.optional) continue;
    if (!entry) throw new TraceError('missing-tensor', `The trace lacks the tensor "${name}" (${spec.meaning}).`, name);
    const shape = spec.axes.map((axis, index) => evaluationAxisLength(axis, metadata) ?? entry.shape[index]!);
    checkTensor(name, entry, spec, shape);
  }
}

/** @throws TraceError `bad-value` */
export function checkQuestions(value: unknown, questions: number): asserts value is EvaluationQuestion[] {
  const good =
    Array.isArray(value) &&
    value.length === questions &&
    value.every(
      one =>
        isRecord(one) &&
        [one['id'], one['image'], one['question'], one['kind']].every(field => typeof field === 'string') &&
        isTexts(one['answers']),
    );
  if (!good) throw new TraceError('bad-value', 'The questions in "evaluation.questions" are not as described.');
}

/** @throws TraceError `bad-value` */
export function checkAnswers(
  value: unknown,
  conditions: number,
  questions: number,
): asserts value is (string | null)[][] {
  const good =
    Array.isArray(value) &&
    value.length === conditions &&
    value.every(
      row =>
        Array.isArray(row) && row.length === questions && row.every(one => one === null || typeof one === 'string'),
    );
  if (!good) throw new TraceError('bad-value', 'The answers in "evaluation.answers" are not as described.');
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(one => typeof one === 'string');
}
