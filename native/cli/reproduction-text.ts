/** What `fovea reproduce` says of runs. */
import { agrees, type Reproduction } from '../report/reproduce.ts';
import type { RunVerdict } from '../report/reproduce-runs.ts';
import { describeFailure } from './exit-codes.ts';
import { jsonFailure } from './json-result.ts';
import { printable } from './terminal.ts';

export function reproductionText(result: Reproduction): string {
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

/** One run of several, under its name. */
export function verdictText(verdict: RunVerdict): string {
  const lines = 'reproduction' in verdict ? reproductionText(verdict.reproduction) : failureText(verdict.failure);
  return `${printable(verdict.name)}\n${lines.replace(/^(?=.)/gm, '  ')}`;
}

function failureText(failure: unknown): string {
  const { message, hint } = describeFailure(failure);
  return `Not run: ${printable(message)}\n${hint === '' ? '' : `${printable(hint)}\n`}`;
}

/** "2 of 3 runs agree, 1 could not be run." */
export function verdictsText(verdicts: readonly RunVerdict[]): string {
  const failed = verdicts.filter(verdict => 'failure' in verdict).length;
  const agreeing = verdicts.filter(verdict => 'reproduction' in verdict && agrees(verdict.reproduction)).length;
  const rest = failed === 0 ? '' : `, ${failed} could not be run`;
  return `${agreeing} of ${verdicts.length} runs ${agreeing === 1 ? 'agrees' : 'agree'}${rest}.\n`;
}

export function verdictJson(verdict: RunVerdict): object {
  const { name } = verdict;
  return 'reproduction' in verdict
    ? { name, agrees: agrees(verdict.reproduction), ...verdict.reproduction }
    : { name, agrees: false, ...jsonFailure(describeFailure(verdict.failure)) };
}
