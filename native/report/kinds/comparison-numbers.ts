/** The numbers of a comparison for programs. */
import type { CsvTable } from '../document.ts';
import { analyzeLine } from '../reproduction.ts';
import { alignAnswers, answerTokens, metadataOf, mismatches, type ComparedRun } from './compared-run.ts';
import { quantities } from './comparison-costs.ts';
import { countKept } from '../../../trace/kept-patches.ts';
import { quotedText, runNumbers } from './run-numbers.ts';

export function comparisonNumbers(runs: readonly ComparedRun[]): Readonly<Record<string, unknown>> {
  const [first, ...others] = runs;
  return {
    mismatches: mismatches(runs),
    runs: runs.map(run => ({
      letter: run.letter,
      ...runNumbers(run.content, { name: run.source.name, bytes: run.source.bytes }),
      costs: Object.fromEntries(quantities.map(({ key, of }) => [key, of(metadataOf(run)) ?? null])),
      keptPatches: Array.from(run.kept.keys()).filter(patch => run.kept[patch] === 1),
    })),
    comparisons: others.map(other => ({
      runs: [first!.letter, other.letter],
      tokens: alignAnswers(first!, other).map(pair => [pair.first ?? null, pair.second ?? null]),
      ...(first!.kept.length === other.kept.length && { kept: countKept(first!.kept, other.kept) }),
    })),
  };
}

export function comparisonCsv(runs: readonly ComparedRun[]): CsvTable[] {
  const costs: (string | number)[][] = [
    ['run', 'trace', ...quantities.map(({ key }) => key), 'same_again'],
    ...runs.map(run => [
      run.letter,
      quotedText(run.source.name),
      ...quantities.map(({ of }) => of(metadataOf(run)) ?? ''),
      quotedText(analyzeLine(metadataOf(run))),
    ]),
  ];
  const [first, ...others] = runs;
  const tokens: (string | number)[][] = [
    ['run_a', 'run_b', 'index_a', 'text_a', 'logprob_a', 'index_b', 'text_b', 'logprob_b'],
  ];
  for (const other of others)
    for (const pair of alignAnswers(first!, other)) {
      const [a, b] = [pair.first, pair.second];
      const fields = (run: ComparedRun, index: number | undefined): (string | number)[] => {
        const token = index === undefined ? undefined : answerTokens(run)[index];
        return token ? [index!, quotedText(token.text), token.logprob ?? ''] : ['', '', ''];
      };
      tokens.push([first!.letter, other.letter, ...fields(first!, a), ...fields(other, b)]);
    }
  return [{ lines: costs }, { suffix: 'tokens', lines: tokens }];
}
