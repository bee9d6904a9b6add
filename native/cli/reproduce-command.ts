/** `fovea reproduce`: whether a run comes out the same again. */
import { parseArgs } from 'node:util';
import { FoveaError } from '../errors.ts';
import { reproduce, type Reproduction } from '../report/reproduce.ts';
import { readSavedRun } from '../report/saved-run.ts';
import type { CommandContext } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import { reproduceHelp } from './help.ts';
import { ProgressLine } from './progress-line.ts';
import { colourDepth, printable, TextStyle } from './terminal.ts';

/** @returns exit code, 1 where tokens or numbers disagree; @throws FoveaError, TraceError */
export async function reproduceCommand(words: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      image: { type: 'string', short: 'i' },
      model: { type: 'string', short: 'm' },
      'vision-tower': { type: 'string' },
      run: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    context.stdout.write(reproduceHelp);
    return exitCodes.ok;
  }
  const [path, more] = positionals;
  if (path === undefined) throw new FoveaError('usage', 'No run is named.', 'For example: fovea reproduce run.fovea');
  if (more !== undefined) throw new FoveaError('usage', `"${more}" is one word too many.`, 'Name one run.');
  const which = values.run === undefined ? undefined : Number(values.run);
  if (which !== undefined && !(Number.isSafeInteger(which) && which > 0))
    throw new FoveaError('usage', `--run ${printable(values.run!)} is no number.`, 'The first run is 1.');
  const metadata = await readSavedRun(path, which);
  const line = new ProgressLine(context.stderr, new TextStyle(colourDepth(context.stderr, context.environment) > 1));
  let result: Reproduction;
  try {
    result = await reproduce(metadata, {
      imagePath: values.image,
      modelFolder: values.model,
      visionTower: values['vision-tower'],
      signal: context.signal,
      progress: progress => {
        line.show(progress);
      },
    });
  } finally {
    line.clear();
  }
  context.stdout.write(values.json ? `${JSON.stringify(result)}\n` : inWords(result));
  return result.tokensAgree && result.numbersAgree && result.reductionAgrees !== false
    ? exitCodes.ok
    : exitCodes.unexpected;
}

function inWords(result: Reproduction): string {
  const { tokensAgree, firstDifference, compared, before, now, changes } = result;
  const tokens = `${compared} generated ${compared === 1 ? 'token' : 'tokens'}`;
  const verdict = tokensAgree
    ? [`Tokens agree exactly: ${tokens}.`, `Answer   ${printable(now)}`]
    : [
        firstDifference === undefined
          ? 'Tokens disagree: the prompt is another one.'
          : `Tokens disagree from generated token ${firstDifference + 1} on; ${compared} before it agree.`,
        `Before   ${printable(before)}`,
        `Now      ${printable(now)}`,
      ];
  const differences =
    compared === 0
      ? []
      : [
          `Largest difference of log-probabilities: ${difference(result.largestLogprobDifference)} of the tokens, ` +
            `${difference(result.largestAlternativeDifference)} of the alternatives.`,
          ...(result.numbersAgree
            ? []
            : ['Numbers disagree: that is more than other arithmetic explains. Are the weights the same?']),
        ];
  const reduction =
    result.reductionAgrees === undefined
      ? []
      : result.reductionAgrees
        ? ['Visual tokens of every layer and stage agree in number.']
        : [
            `Visual tokens disagree in decoder layers ${(result.layersThatDiffer ?? []).join(', ') || 'none, but in a stage'}.`,
          ];
  return `${[...verdict, ...differences, ...reduction, ...changes.map(change => `Changed  ${printable(change)}`)].join('\n')}\n`;
}

const difference = (value: number): string => (value === 0 ? '0 (bit for bit)' : value.toExponential(1));
