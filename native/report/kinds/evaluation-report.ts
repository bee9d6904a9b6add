/** The report of an evaluation: accuracy against cost, by kind of question, and what pruning loses. */
import type { Evaluation, EvaluationMetadata } from '../../../trace/evaluation/evaluation.ts';
import { type EvaluationSummary, summarizeEvaluation } from '../../../trace/evaluation/summary.ts';
import { summaryLines } from '../../evaluation/summary-files.ts';
import { type Fact, type Figure, quoted, type ReportDocument, type Section } from '../document.ts';
import { count, day } from '../numbers.ts';
import type { ReportKind } from '../report-kind.ts';
import { evalLine } from '../reproduction.ts';
import { fileFacts } from '../run-facts.ts';
import { accuracyChart } from './accuracy-chart.ts';
import { costTable, kindSections, lostSection } from './evaluation-tables.ts';
import { quotedText } from './run-numbers.ts';

export const evaluationReport: ReportKind = {
  id: 'evaluation',
  madeOf: 'an evaluation (evaluation.fovea)',
  accepts: async sources => sources.length === 1 && (await sources[0]!.traceKind()) === 'evaluation',
  async build([source], { pictures }): Promise<ReportDocument> {
    const { name, bytes } = source!;
    const trace = await source!.evaluation();
    const evaluation = await trace.evaluation();
    const summary = summarizeEvaluation(evaluation);
    const { metadata } = evaluation;
    const { set, model } = metadata;
    return {
      title: ['Token methods on ', quoted(set.name)],
      about: `Evaluation of ${count(metadata.conditions.length)} conditions on ${count(metadata.questions)} questions, ${model.name}, ${day(metadata.created)}`,
      exchange: [],
      cautions: cautions(metadata),
      sections: [
        ...groupSections(summary, pictures !== 'none'),
        ...kindSections(summary),
        ...lostSection(evaluation),
        ...problemSection(metadata),
      ],
      facts: [{ facts: facts(metadata) }],
      source: name,
      traces: [{ name, trace, bytes }],
      numbers: () => ({
        ...metadata,
        reproduce: evalLine(metadata),
        groups: summary.groups,
        results: summary.conditions,
        ...answers(evaluation),
      }),
      csv: () => [{ lines: summaryLines(summary) }, { suffix: 'answers', lines: answerLines(evaluation) }],
    };
  },
};

function cautions({ status, model, engine, problems }: EvaluationMetadata): string[] {
  return [
    ...(status.state === 'partial' ? ['The evaluation was not finished: some results are missing.'] : []),
    ...(engine.jobs > 1
      ? [`${engine.jobs} runs went on at the same time: times are longer than those of one run.`]
      : []),
    ...(model.bundled
      ? ['The bundled model knows rendered scenes only: these figures say little about other models.']
      : []),
    ...(problems.length > 0
      ? [
          problems.length === 1
            ? 'One line or question could not be asked; the end says why.'
            : `${count(problems.length)} lines or questions could not be asked; the end lists them.`,
        ]
      : []),
  ];
}

/** All questions, small text, and the rest. */
function groupSections(summary: EvaluationSummary, drawn: boolean): Section[] {
  return summary.groups
    .filter(({ isKind }) => !isKind)
    .map(({ id, title, questions }, index) => ({
      title: `Accuracy and cost: ${title}`,
      ...(index === 0 && {
        note:
          'Interval of a share: Wilson, 95 %. “vs none”: percentage points against no pruning on the same questions, with Newcombe’s ' +
          'interval for pairs, bold where it leaves out 0, and McNemar’s exact p. E_in and E_out: visual tokens entering and leaving a ' +
          'decoder layer in prefill, mean of layers and questions. GMAC: decoder, prefill and decode (F3). KV: cache as allocated. ' +
          'Times: medians, measured; the search for parameters that meet a budget is not in them.',
      }),
      ...(drawn && { figures: [chartFigure(summary, id, title, questions.length)] }),
      tables: [costTable(summary, id)],
    }));
}

function chartFigure(summary: EvaluationSummary, id: string, title: string, questions: number): Figure {
  const caption = `Accuracy on ${title} (${count(questions)} questions) against visual tokens entering. Whiskers and band: 95 % intervals (Wilson). Methods at the same cost stand 6 px apart.`;
  return { kind: 'picture', picture: accuracyChart(summary, id, caption), caption };
}

function problemSection({ problems, conditions }: EvaluationMetadata): Section[] {
  if (problems.length === 0) return [];
  const title = (id: string): string => conditions.find(condition => condition.id === id)?.id ?? id;
  return [
    {
      title: 'Not asked',
      tables: [
        {
          columns: [
            { title: 'line', align: 'right' },
            { title: 'condition', align: 'left' },
            { title: 'why', align: 'left' },
          ],
          rows: problems.map(({ line, message, condition }) => ({
            cells: [String(line), condition === undefined ? 'all' : quoted(title(condition)), quoted(message)],
          })),
        },
      ],
    },
  ];
}

function facts(metadata: EvaluationMetadata): Fact[] {
  const { set, model, engine, questions, conditions, maxNewTokens, matching, macFormula, producer, id } = metadata;
  return [
    { label: 'Question set', value: set.path, kind: 'code' },
    { label: 'Set digest', value: set.digest, kind: 'code' },
    { label: 'Questions', value: `the first ${count(questions)} of ${count(set.size)}` },
    { label: 'Model', value: model.folder, kind: 'code' },
    { label: 'Model digest', value: model.digest, kind: 'code' },
    ...fileFacts(model),
    {
      label: 'Device',
      value: `${engine.device}, ${engine.threads} threads, ${engine.jobs} at a time; ${engine.hardware}`,
    },
    { label: 'Right answer', value: matching },
    { label: 'MACs', value: macFormula },
    { label: 'Longest answer', value: `${count(maxNewTokens)} tokens, greedy decoding` },
    { label: 'Conditions', value: conditions.map(condition => condition.id).join(', '), kind: 'code' },
    { label: 'Made by', value: `${producer.name} ${producer.version}, evaluation ${id}` },
    { label: 'Again', value: evalLine(metadata), kind: 'code' },
  ];
}

function answers({ questions, outcomes }: Evaluation): object {
  return { questions, outcomes };
}

/** One line for each question and condition. */
function answerLines({ metadata, questions, outcomes }: Evaluation): (string | number)[][] {
  const head = [
    'condition',
    'question_id',
    'kind',
    'image',
    'question',
    'answer',
    'correct',
    'tokens_entering',
    'ms_prefill',
  ];
  const lines = metadata.conditions.flatMap((condition, row) =>
    questions.flatMap(({ id, kind, image, question }, index) => {
      const outcome = outcomes[row]![index];
      if (!outcome) return [];
      const texts = [condition.id, id, kind, image, question, outcome.answer].map(quotedText);
      return [[...texts, Number(outcome.correct), outcome.entering, outcome.ms.prefill]];
    }),
  );
  return [head, ...lines];
}
