/** The command lines that make a run again. */
import type { RunMetadata } from '../../trace/schema.ts';
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
  // With "=", a value that starts with "-" stays a value.
  const words = options.map(([name, value]) => `--${name}=${shellWord(String(value))}`);
  return ['fovea', 'analyze', shellWord(path.startsWith('-') ? `./${path}` : path), ...words].join(' ');
}
