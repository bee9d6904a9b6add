import { massGroups, type RunMetadata } from '../../../trace/schema.ts';
import { quoted, type Section, type TableRow, type Words } from '../document.ts';
import { visibleToken } from '../groups.ts';
import { percent, tokenProbability } from '../numbers.ts';
import { analyzeLine } from '../reproduction.ts';
import { methodWords, parameterWords, samplingWords } from '../run-facts.ts';
import { alignAnswers, answerTokens, metadataOf, runTitle, type ComparedRun } from './compared-run.ts';
import { quantities } from './comparison-costs.ts';

const minus = '\u2212';
const logprobWords = (value: number | undefined): string =>
  value === undefined ? '' : signed(value).replace(/^\+/, '');

function signed(value: number): string {
  if (Math.abs(value) < 0.00005) return '0';
  return `${value < 0 ? minus : '+'}${Math.abs(value).toFixed(4)}`;
}

/** One per run after the first, each against A. */
export function tokenSections([first, ...others]: readonly ComparedRun[]): Section[] {
  return others.map(other => {
    const pairs = alignAnswers(first!, other);
    const [a, b] = [answerTokens(first!), answerTokens(other)];
    const rows = pairs.map(({ first: i, second: j }, index): TableRow => {
      const [left, right] = [i === undefined ? undefined : a[i], j === undefined ? undefined : b[j]];
      const same = left !== undefined && right !== undefined && left.text === right.text;
      const difference =
        same && left.logprob !== undefined && right.logprob !== undefined ? signed(right.logprob - left.logprob) : '';
      const word = (token: typeof left): Words => (token ? [{ quoted: visibleToken(token.text), marked: !same }] : '');
      return {
        cells: [
          String(index + 1),
          { words: word(left), strong: true },
          left?.logprob === undefined ? '' : tokenProbability(left.logprob),
          logprobWords(left?.logprob),
          { words: word(right), strong: true },
          right?.logprob === undefined ? '' : tokenProbability(right.logprob),
          logprobWords(right?.logprob),
          difference,
        ],
      };
    });
    const shared = rows.filter(({ cells }) => cells[7] !== '').length;
    return {
      title: `Token by token: ${first!.letter} and ${other.letter}`,
      note:
        `${runTitle(first!)} and ${runTitle(other)}, aligned by their longest common subsequence; marked tokens are not in ` +
        `the other answer. Probability and its natural logarithm are the model’s own. ${shared} of ${rows.length} lines agree.`,
      tables: [
        {
          columns: [
            { title: '#', align: 'right' },
            { title: first!.letter, align: 'left' },
            { title: 'probability', align: 'right' },
            { title: 'log', align: 'right' },
            { title: other.letter, align: 'left' },
            { title: 'probability', align: 'right' },
            { title: 'log', align: 'right' },
            { title: `log ${other.letter} ${minus} log ${first!.letter}`, align: 'right' },
          ],
          rows,
        },
      ],
    };
  });
}

export function costSection(runs: readonly ComparedRun[]): Section {
  const columns = [
    { title: 'quantity', align: 'left' } as const,
    ...runs.map(run => ({ title: runTitle(run), align: 'right' }) as const),
  ];
  const rows = quantities.flatMap(({ name, of, words }): TableRow[] => {
    const values = runs.map(run => of(metadataOf(run)));
    if (values.every(value => value === undefined)) return [];
    return [{ cells: [name, ...values.map(value => (value === undefined ? 'not recorded' : words(value)))] }];
  });
  const image = massGroups.indexOf('image');
  const layers = Math.max(...runs.map(({ content }) => content.masses.length));
  const shares = Array.from({ length: layers }, (_, layer): TableRow => ({
    cells: [
      `D${layer}`,
      ...runs.map(({ content }) => {
        const masses = content.masses[layer];
        return masses ? percent(masses[image]!) : '';
      }),
    ],
  }));
  return {
    title: 'What it cost',
    note:
      'Tokens enter a layer before, and leave it after, what a stage does to its output. Times are wall clock of single ' +
      'runs on the machine that is named below: differences of a few percent mean nothing.',
    tables: [
      { columns, rows },
      {
        columns: [{ title: 'share of attention on the image, layer', align: 'left' }, ...columns.slice(1)],
        rows: shares,
      },
    ],
  };
}

/** Name and words of everything that a run depends on. */
function parametersOf(run: ComparedRun, files: readonly string[]): readonly (readonly [name: string, value: string])[] {
  const { model, image, prompt, method, generation, engine, producer } = metadataOf(run);
  return [
    ['image SHA-256', image.digest],
    ['question', prompt.question],
    ['prompt', prompt.text],
    ['model', model.name],
    ['model digest', model.digest],
    ...files.map((name): [string, string] => [`SHA-256 of ${name}`, digestOf(model, name)]),
    ['method', methodWords({ method })],
    ['method parameters', parameterWords({ method })],
    ['method module', method.module ? `${method.module.path} (${method.module.digest})` : 'none'],
    ['sampling', samplingWords(metadataOf(run))],
    ['most new tokens', String(generation.maxNewTokens)],
    ['Fovea', producer.version],
    ['engine', `${engine.name} ${engine.version}`],
    ['hardware', engine.hardware],
    ['device', engine.device],
    ['threads', String(engine.threads)],
    ['arithmetic', engine.arithmetic],
  ];
}

function digestOf({ files }: RunMetadata['model'], name: string): string {
  return files ? (files.find(file => file.name === name)?.digest ?? 'not read') : 'not recorded';
}

export function differenceSection(runs: readonly ComparedRun[]): Section {
  const files = new Set(runs.flatMap(run => (metadataOf(run).model.files ?? []).map(({ name }) => name)));
  const lists = runs.map(run => parametersOf(run, [...files].sort()));
  const [differing, same]: [TableRow[], string[]] = [[], []];
  lists[0]!.forEach(([name], index) => {
    const values = lists.map(list => list[index]![1]);
    if (values.every(value => value === values[0])) same.push(name);
    else differing.push({ cells: [name, ...values.map(value => ({ words: quoted(value) }))] });
  });
  return {
    title: 'What was done differently',
    note: differing.length === 0 ? 'Nothing that Fovea records differs between these runs.' : '',
    tables: [
      ...(differing.length === 0
        ? []
        : [
            {
              columns: [
                { title: 'parameter', align: 'left' } as const,
                ...runs.map(run => ({ title: run.letter, align: 'left' }) as const),
              ],
              rows: differing,
            },
          ]),
      {
        columns: [
          { title: 'run', align: 'left' },
          { title: 'the same again', align: 'left' },
        ],
        rows: runs.map(run => ({ cells: [run.letter, { words: quoted(analyzeLine(metadataOf(run))) }] })),
      },
    ],
    remark: `The same in all: ${same.join(', ')}.`,
  };
}
