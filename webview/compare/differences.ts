/** In what two runs differ besides their answers. Pure. */
import { filesOfOtherContent } from '../../trace/model-files.ts';
import type { ParameterValue, RunMetadata } from '../../trace/schema.ts';
import { methodName } from './run-names.ts';

/** Why patches of the two cannot be put one on the other; undefined when they can. */
export function patchRefusal(a: RunMetadata, b: RunMetadata): string | undefined {
  const [first, second] = [a.visual.grid, b.visual.grid];
  if (first.rows === second.rows && first.columns === second.columns) return undefined;
  return (
    `Patches cannot be compared: A has ${first.rows} × ${first.columns}, B has ${second.rows} × ${second.columns}. ` +
    'Compare runs of models with the same patch grid.'
  );
}

/** What a reader must know before believing the comparison. */
export function cautions(a: RunMetadata, b: RunMetadata): string[] {
  const found: string[] = [];
  if (a.image.digest !== b.image.digest)
    found.push(`Different images: A ${a.image.name}, B ${b.image.name}. Patches are compared by place only.`);
  else if (JSON.stringify(a.image.crop) !== JSON.stringify(b.image.crop))
    found.push('The two saw different parts of the image, so that patches do not cover the same of it.');
  if (a.prompt.question !== b.prompt.question)
    found.push(`Different questions: A “${a.prompt.question}”, B “${b.prompt.question}”.`);
  const files = filesOfOtherContent(a.model, b.model);
  if (a.model.digest !== b.model.digest) found.push(`Different models: A ${a.model.name}, B ${b.model.name}.`);
  else if (files.length > 0)
    found.push(`The model was another one for A and for B: ${files.join(', ')} changed between the runs.`);
  if (a.model.decoder.layers !== b.model.decoder.layers)
    found.push(
      `A has ${a.model.decoder.layers} decoder layers, B ${b.model.decoder.layers}: layers are compared by number.`,
    );
  for (const [letter, run] of [
    ['A', a],
    ['B', b],
  ] as const)
    if (run.status.state === 'cancelled') found.push(`${letter} was cancelled after ${run.status.after}.`);
  return found;
}

export interface ParameterRow {
  readonly name: string;
  /** One a run; empty where it has none. */
  readonly values: readonly string[];
}

/** Settings that are not the same in all runs. */
export function differingParameters(runs: readonly RunMetadata[]): ParameterRow[] {
  const settings = runs.map(settingsOf);
  const names = [...new Set(settings.flatMap(one => [...one.keys()]))];
  return names
    .map(name => ({ name, values: settings.map(one => one.get(name) ?? '') }))
    .filter(({ values }) => new Set(values).size > 1);
}

function settingsOf({ method, model, image, prompt, generation, engine }: RunMetadata): Map<string, string> {
  const { sampling } = generation;
  return new Map([
    ['method', methodName(method)],
    ['variant', method.variant ?? ''],
    ['budget', method.budget ? `${method.budget.asked} tokens ${method.budget.counted}` : ''],
    ...Object.entries(method.parameters).map(([name, value]): [string, string] => [name, parameterText(value)]),
    ['notes', (method.notes ?? []).join(' ')],
    ['question', prompt.question],
    ['image', image.name],
    ['model', model.name],
    [
      'decoding',
      sampling.mode === 'greedy'
        ? 'greedy'
        : `sampled, temperature ${sampling.temperature}, top-p ${sampling.topP}, seed ${sampling.seed}`,
    ],
    ['longest answer', `${generation.maxNewTokens} tokens`],
    ['device', engine.device],
    ['threads', String(engine.threads)],
    ['hardware', engine.hardware],
    ['arithmetic', engine.arithmetic],
  ]);
}

function parameterText(value: ParameterValue): string {
  return typeof value === 'object' ? value.join(', ') : String(value);
}
