/** The report of two or more runs: what they said, where they looked, what they kept, what they cost, how they differ. */
import { FoveaError } from '../../errors.ts';
import { quoted, type Quoted, type ReportDocument, type Words } from '../document.ts';
import { day } from '../numbers.ts';
import type { ReportKind } from '../report-kind.ts';
import { cautions, runFacts } from '../run-facts.ts';
import {
  alignAnswers,
  answerTokens,
  metadataOf,
  mismatches,
  readRun,
  runTitle,
  type ComparedRun,
} from './compared-run.ts';
import { comparisonCsv, comparisonNumbers } from './comparison-numbers.ts';
import { costSection, differenceSection, tokenSections } from './comparison-tables.ts';
import { attentionSection, keptSection } from './comparison-figures.ts';

const mostRuns = 8;

export const comparisonReport: ReportKind = {
  id: 'comparison',
  madeOf: 'two or more traces of runs, compared',
  async accepts(sources) {
    if (sources.length < 2) return false;
    for (const source of sources) if ((await source.traceKind()) !== 'run') return false;
    return true;
  },
  async build(sources, { pictures, signal }): Promise<ReportDocument> {
    if (sources.length > mostRuns)
      throw new FoveaError(
        'usage',
        `${sources.length} runs are too many to be read side by side.`,
        `Name 2 to ${mostRuns}.`,
      );
    const runs: ComparedRun[] = [];
    for (const [index, source] of sources.entries()) {
      runs.push(await readRun(source, index));
      signal?.throwIfAborted();
    }
    const sections = [
      ...tokenSections(runs),
      await attentionSection(runs, pictures),
      ...(await keptSection(runs, pictures)),
      costSection(runs),
      differenceSection(runs),
    ];
    const first = metadataOf(runs[0]!);
    const days = [...new Set(runs.map(run => day(metadataOf(run).created)))];
    return {
      title: [`${runs.length} runs on `, quoted(first.image.name)],
      about: `Comparison of ${runs.map(runTitle).join(', ')} · runs of ${days.join(', ')} · digests and parameters at the end`,
      exchange: exchange(runs),
      cautions: [...mismatches(runs), ...new Set(runs.flatMap(run => cautionsOf(run)))],
      sections,
      facts: runs.map(run => ({
        title: [`${runTitle(run)}: `, quoted(run.source.name)],
        facts: runFacts(metadataOf(run), run.source.name),
      })),
      source: sources.map(({ name }) => name).join(', '),
      traces: await Promise.all(
        runs.map(async run => ({
          name: `${runTitle(run)}: ${run.source.name}`,
          trace: await run.source.trace(),
          bytes: run.source.bytes,
        })),
      ),
      numbers: () => comparisonNumbers(runs),
      csv: () => comparisonCsv(runs),
    };
  },
};

/** The general ones once, what concerns a single run with its letter. */
function cautionsOf(run: ComparedRun): string[] {
  const { status, generation } = metadataOf(run);
  const own = status.state === 'cancelled' || generation.stop === 'length';
  return cautions(metadataOf(run)).map(text =>
    own && /cancelled|cut off/.test(text) ? `${run.letter}: ${text}` : text,
  );
}

function exchange(runs: readonly ComparedRun[]): ReportDocument['exchange'] {
  const questions = runs.map(run => metadataOf(run).prompt.question);
  const same = questions.every(question => question === questions[0]);
  const asked = same
    ? [{ label: 'Question', words: quoted(questions[0]!) }]
    : runs.map((run, index) => ({ label: `Question ${run.letter}`, words: quoted(questions[index]!) }));
  return [
    ...asked,
    ...runs.map((run, index) => ({ label: runTitle(run), words: answerWords(runs, index), strong: true })),
  ];
}

/** The answer with what is not in A's marked; in A, what is not in B's when there are just two. */
function answerWords(runs: readonly ComparedRun[], index: number): Words {
  const run = runs[index]!;
  const { generation } = metadataOf(run);
  const shown = answerTokens(run).slice(0, generation.stop === 'end-of-sequence' ? -1 : undefined);
  if (shown.length === 0) return '(nothing)';
  const own = new Set<number>();
  if (index > 0 || runs.length === 2) {
    for (const pair of alignAnswers(runs[0]!, runs[index === 0 ? 1 : index]!)) {
      const [here, there] = index === 0 ? [pair.first, pair.second] : [pair.second, pair.first];
      const [a, b] = [runs[0]!, runs[index === 0 ? 1 : index]!];
      const same =
        pair.first !== undefined &&
        pair.second !== undefined &&
        answerTokens(a)[pair.first]!.text === answerTokens(b)[pair.second]!.text;
      if (here !== undefined && (there === undefined || !same)) own.add(here);
    }
  }
  // Neighbours of the same kind become one piece, so that a word is not cut where its letters join.
  const pieces: Quoted[] = [];
  shown.forEach(({ text }, token) => {
    const marked = own.has(token);
    const last = pieces.at(-1);
    const said = token === 0 ? text.trimStart() : text;
    if (last && (last.marked ?? false) === marked) pieces[pieces.length - 1] = { quoted: last.quoted + said, marked };
    else pieces.push({ quoted: said, marked });
  });
  return pieces;
}
