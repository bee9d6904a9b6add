/** Checks what a trace says about its token method: views build lists and scales from it. */
import { isRecord } from './safetensors.ts';
import type { RunMetadata } from './schema.ts';

type Fail = (path: string, problem: string) => never;

const mostStages = 10_000;
const towers = ['vision', 'decoder', 'cache'];

export function checkReduction(run: RunMetadata, fail: Fail): void {
  const reduction: unknown = run.reduction;
  if (reduction === undefined) return;
  if (!isRecord(reduction)) return fail('reduction', 'is not an object');
  const { stages, visionTokens, layers } = reduction;
  const { vision, decoder } = run.model;
  if (!Array.isArray(stages) || stages.length > mostStages) return fail('reduction.stages', 'is not a list of stages');
  stages.forEach((stage: unknown, index) => {
    checkStage(stage, `reduction.stages[${index}]`, vision.layers, decoder.layers, fail);
  });
  checkNumbers(visionTokens, vision.layers, 'reduction.visionTokens', fail);
  if (!Array.isArray(layers) || layers.length !== decoder.layers) {
    return fail('reduction.layers', `is not a list of ${decoder.layers} layers`);
  }
  layers.forEach((layer: unknown, index) => {
    const path = `reduction.layers[${index}]`;
    if (!isRecord(layer)) return fail(path, 'is not an object');
    for (const name of ['entering', 'leaving', 'sequence', 'cached', 'cacheLength', 'cacheBytes', 'lastKeyPosition']) {
      if (typeof layer[name] !== 'number' || !Number.isFinite(layer[name])) fail(`${path}.${name}`, 'is not a number');
    }
  });
  for (const name of ['visualTokens', 'decodeSteps']) {
    if (!Number.isSafeInteger(reduction[name])) fail(`reduction.${name}`, 'is not a count');
  }
}

function checkStage(stage: unknown, path: string, visionLayers: number, decoderLayers: number, fail: Fail): void {
  if (!isRecord(stage)) return fail(path, 'is not an object');
  if (typeof stage['id'] !== 'string') fail(`${path}.id`, 'is not text');
  if (typeof stage['title'] !== 'string') fail(`${path}.title`, 'is not text');
  const { place, entering, leaving, scores, reasons, notes } = stage;
  if (!isRecord(place) || !towers.includes(place['tower'] as string)) {
    return fail(`${path}.place`, `names none of ${towers.join(', ')}`);
  }
  const depth = place['tower'] === 'vision' ? visionLayers : decoderLayers;
  const layer = place['layer'] as number;
  if (!Number.isSafeInteger(layer) || layer < -1 || layer >= depth) {
    fail(`${path}.place.layer`, `is ${String(layer)}, but there are ${depth} layers`);
  }
  for (const [name, value] of Object.entries({ entering, leaving })) {
    if (!Number.isSafeInteger(value) || (value as number) < 0) fail(`${path}.${name}`, 'is not a count');
  }
  for (const [name, value] of Object.entries({ scores, reasons, notes })) {
    if (!Array.isArray(value)) fail(`${path}.${name}`, 'is not a list');
  }
  checkNames(scores as unknown[], `${path}.scores`, fail);
  const { textScores = [] } = stage;
  if (!Array.isArray(textScores)) return fail(`${path}.textScores`, 'is not a list');
  checkNames(textScores, `${path}.textScores`, fail);
  (textScores as Record<string, unknown>[]).forEach(({ first, values }, index) => {
    if (!Number.isSafeInteger(first) || !Array.isArray(values) || !values.every(Number.isFinite)) {
      fail(`${path}.textScores[${index}]`, 'is not numbers from a first token on');
    }
  });
}

function checkNames(scores: readonly unknown[], path: string, fail: Fail): void {
  scores.forEach((score, index) => {
    if (!isRecord(score) || typeof score['name'] !== 'string' || typeof score['title'] !== 'string') {
      fail(`${path}[${index}]`, 'has no name or title');
    }
  });
}

function checkNumbers(values: unknown, length: number, path: string, fail: Fail): void {
  const numbers = Array.isArray(values) && values.length === length && values.every(value => Number.isFinite(value));
  if (!numbers) fail(path, `is not a list of ${length} numbers`);
}
