/** The command lines that make a run again. */
import { type EvaluationMetadata, unprunedId } from '../../trace/evaluation/evaluation.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { moduleMark } from '../evaluation/conditions.ts';
import { isModulePath } from '../methods/own/own-method.ts';
import { methodRequestOf } from '../methods/request-of-run.ts';

/** Letters, digits and punctuation that no shell reads as anything else. */
const harmless = /^[\w@%+=:,./-]+$/;
const invisible = /[\p{Cc}\p{Cf}\u2028\u2029]/u;

/**
 * One word for a POSIX shell. Control and direction characters are written out, so that the line does what it seems to.
 */
export function shellWord(text: string): string {
  if (harmless.test(text)) return text;
  if (!invisible.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  const written = Array.from(text, character => {
    if (character === '\\' || character === "'") return `\\${character}`;
    if (!invisible.test(character)) return character;
    const code = character.codePointAt(0)!.toString(16);
    return code.length > 4 ? `\\U${code.padStart(8, '0')}` : `\\u${code.padStart(4, '0')}`;
  });
  return `$'${written.join('')}'`;
}

/** A path that no command takes for an option. */
export const pathWord = (path: string): string => shellWord(path.startsWith('-') ? `./${path}` : path);

function methodOptions(metadata: RunMetadata): [string, string][] {
  const method = methodRequestOf(metadata);
  if (!method) return [];
  const parameters = Object.entries(method.parameters ?? {});
  return [
    ['method', method.name],
    ...(method.variant === undefined ? [] : ([['variant', method.variant]] as [string, string][])),
    ...parameters.map(([name, value]): [string, string] => [
      'set',
      `${name}=${typeof value === 'object' ? value.join(',') : String(value)}`,
    ]),
  ];
}

/** `fovea analyze …` with everything that the answer depends on. */
export function analyzeLine(metadata: RunMetadata): string {
  const { image, prompt, model, generation, engine } = metadata;
  const { sources = [] } = metadata.crossAttention ?? {};
  const [path = image.path ?? image.name, ...further] = sources;
  const { sampling } = generation;
  const options: [string, string | number][] = [
    ...further.map((source): [string, string] => ['image', source]),
    ['question', prompt.question],
    ...(model.bundled ? [] : ([['model', model.folder]] as [string, string][])),
    ['max-new-tokens', generation.maxNewTokens],
    ...(sampling.mode === 'sample'
      ? ([
          ['temperature', sampling.temperature],
          ['top-p', sampling.topP],
          ['seed', sampling.seed],
        ] as [string, number][])
      : []),
    ...methodOptions(metadata),
    ['device', engine.device],
    ['threads', engine.threads],
  ];
  return ['fovea', 'analyze', pathWord(path), ...optionWords(options)].join(' ');
}

export type Option = readonly [name: string, value: string | number];

/** With "=", a value that starts with "-" stays a value. */
export const optionWords = (options: readonly Option[]): string[] =>
  options.map(([name, value]) => `--${name}=${shellWord(String(value))}`);

/** `fovea eval …` with the methods, budgets and questions of an evaluation; goes on with what is there. */
export function evalLine({ set, model, engine, conditions, questions, maxNewTokens }: EvaluationMetadata): string {
  const label = ({ id, method, budget }: EvaluationMetadata['conditions'][number]): string => {
    const text = budget === undefined ? id : id.replace(new RegExp(`@${budget}$`), '');
    return isModulePath(method) ? text.replace(moduleMark, method) : text;
  };
  const methods = [...new Set(conditions.filter(({ method }) => method !== unprunedId).map(label))];
  const budgets = [...new Set(conditions.flatMap(({ budget }) => budget ?? []))];
  const options: Option[] = [
    ['methods', methods.join(',')],
    ...(budgets.length > 0 ? ([['budgets', budgets.join(',')]] as const) : []),
    ['limit', questions],
    ...(model.bundled ? [] : ([['model', model.folder]] as const)),
    ['max-new-tokens', maxNewTokens],
    ['device', engine.device],
  ];
  return ['fovea', 'eval', pathWord(set.path), ...optionWords(options)].join(' ');
}
