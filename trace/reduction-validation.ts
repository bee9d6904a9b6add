/** Checks what a trace says about its token method: views build lists and scales from it. */
import { count, oneOf, optional, positive, text, texts } from './field-checks.ts';
import { isRecord } from './safetensors.ts';
import type { RunMetadata } from './schema.ts';

type Fail = (path: string, problem: string) => never;

const mostStages = 10_000;
const towers = ['vision', 'decoder', 'cache'];
const units = ['probability', 'share', 'cosine', 'count', 'distance', 'density', 'textToken', 'number'];

/** What ran, and why: its values are listed wherever the run is named. */
export function checkMethod(run: RunMetadata, fail: Fail): void {
  const { method } = run;
  const parameters = (value: unknown, path: string): void => {
    if (!isRecord(value)) fail(path, 'is not an object');
    for (const [name, each] of Object.entries(value as object)) {
      const values: unknown[] = Array.isArray(each) ? each : [each];
      const legal = values.every(one => ['number', 'string', 'boolean'].includes(typeof one));
      if (!legal) fail(`${path}.${name}`, 'is not a number, a text, true, false or a list of these');
    }
  };
  for (const name of ['title', 'variant'] as const) optional(text)(method[name], `method.${name}`);
  parameters(method.parameters, 'method.parameters');
  for (const name of ['given', 'notes'] as const) texts(method[name] ?? [], `method.${name}`);
  const { budget, beside, module }: Record<string, unknown> = { ...method };
  if (budget !== undefined) {
    if (!isRecord(budget)) return fail('method.budget', 'is not an object');
    for (const name of ['asked', 'reached']) {
      if (!Number.isFinite(budget[name])) fail(`method.budget.${name}`, 'is not a number');
    }
    oneOf('entering', 'leaving')(budget['counted'], 'method.budget.counted');
  }
  if (beside !== undefined) {
    if (!isRecord(beside)) return fail('method.beside', 'is not an object');
    text(beside['name'], 'method.beside.name');
    text(beside['title'], 'method.beside.title');
    parameters(beside['parameters'], 'method.beside.parameters');
  }
  if (module !== undefined) {
    if (!isRecord(module)) return fail('method.module', 'is not an object');
    text(module['path'], 'method.module.path');
    text(module['digest'], 'method.module.digest');
  }
}

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
    const { queryPosition = 0 } = layer;
    if (!Number.isFinite(queryPosition)) fail(`${path}.queryPosition`, 'is not a number');
  });
  for (const name of ['visualTokens', 'decodeSteps']) count(reduction[name], `reduction.${name}`);
  // Costs are summed step by step.
  if ((reduction['decodeSteps'] as number) > run.tokens.length) {
    fail('reduction.decodeSteps', `is ${String(reduction['decodeSteps'])}, but there are ${run.tokens.length} tokens`);
  }
  oneOf('continued', 'cache-length')(reduction['decodePositions'], 'reduction.decodePositions');
  if (reduction['visionTiles'] !== undefined) positive(reduction['visionTiles'], 'reduction.visionTiles');
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
  texts(reasons, `${path}.reasons`);
  texts(notes, `${path}.notes`);
  const { textScores = [], raters = [] } = stage;
  if (!Array.isArray(raters)) return fail(`${path}.raters`, 'is not a list');
  raters.forEach((rater, index) => {
    count(rater, `${path}.raters[${index}]`);
  });
  if (!Array.isArray(scores)) return fail(`${path}.scores`, 'is not a list');
  checkScores(scores, `${path}.scores`, fail);
  if (!Array.isArray(textScores)) return fail(`${path}.textScores`, 'is not a list');
  checkScores(textScores, `${path}.textScores`, fail);
  (textScores as Record<string, unknown>[]).forEach(({ first, values }, index) => {
    if (!Number.isSafeInteger(first) || !Array.isArray(values) || !values.every(Number.isFinite)) {
      fail(`${path}.textScores[${index}]`, 'is not numbers from a first token on');
    }
  });
}

function checkScores(scores: readonly unknown[], path: string, fail: Fail): void {
  scores.forEach((score, index) => {
    const place = `${path}[${index}]`;
    if (!isRecord(score) || typeof score['name'] !== 'string' || typeof score['title'] !== 'string') {
      return fail(place, 'has no name or title');
    }
    oneOf(...units)(score['unit'], `${place}.unit`);
    const { cutoff } = score;
    if (cutoff === undefined) return;
    if (!isRecord(cutoff)) return fail(`${place}.cutoff`, 'is not an object');
    if (!Number.isFinite(cutoff['value'])) fail(`${place}.cutoff.value`, 'is not a number');
    oneOf('stays', 'merges', 'goes')(cutoff['above'], `${place}.cutoff.above`);
    oneOf('threshold', 'top-k')(cutoff['rule'], `${place}.cutoff.rule`);
    if (typeof cutoff['inclusive'] !== 'boolean') fail(`${place}.cutoff.inclusive`, 'is not true or false');
  });
}

function checkNumbers(values: unknown, length: number, path: string, fail: Fail): void {
  const numbers = Array.isArray(values) && values.length === length && values.every(value => Number.isFinite(value));
  if (!numbers) fail(path, `is not a list of ${length} numbers`);
}
