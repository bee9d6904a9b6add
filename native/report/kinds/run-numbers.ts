/** The numbers of a run for programs: JSON of everything but the full attention, CSV for spreadsheets. */
import { massGroups } from '../../../trace/schema.ts';
import type { CsvTable } from '../document.ts';
import { analyzeLine } from '../reproduction.ts';
import type { RunContent } from '../run-content.ts';

export interface TraceName {
  readonly name: string;
  readonly bytes: number;
}

export function runNumbers(content: RunContent, trace: TraceName): Readonly<Record<string, unknown>> {
  const { metadata, answer, masses, tokens, allMasses, fetched, read } = content;
  const { layers, heads } = metadata.model.decoder;
  const groups = massGroups.length;
  const rows = allMasses.length / (layers * heads * groups);
  const nested = Array.from({ length: rows }, (_r, row) =>
    Array.from({ length: layers }, (_l, layer) =>
      Array.from({ length: heads }, (_h, head) => {
        const start = ((row * layers + layer) * heads + head) * groups;
        return floats(allMasses.subarray(start, start + groups));
      }),
    ),
  );
  return {
    trace,
    reproduce: analyzeLine(metadata),
    metadata,
    answerAttention: answer && {
      unit: 'probability, mean over heads and answer tokens',
      axes: ['decoder layer', 'patch, row-major'],
      layer: answer.layer,
      answerTokens: answer.answerTokens,
      maps: answer.maps.map(floats),
    },
    generatedTokens: tokens.map(({ token, imageShare }) => {
      const { id, text, logprob } = metadata.tokens[token]!;
      return {
        index: token,
        id,
        text,
        ...(logprob !== undefined && { logprob, probability: Math.exp(logprob) }),
        imageShare,
      };
    }),
    ...(fetched && {
      highResolution: {
        unit: 'tokens; shares of attention, of output and of steps; means of the steps',
        steps: fetched.steps,
        cells: fetched.described.cells,
        layers: fetched.layers.map(layer => ({ ...layer, read: floats(layer.read) })),
      },
    }),
    ...(read && {
      crossAttention: {
        unit: 'shares of attention; change as relative L2 norm; means of heads and of the rows that predict the answer',
        rows: read.rows,
        frames: floats(read.frames),
        layers: read.layers.map(({ layer, gate, change, frames }) => ({ layer, gate, change, frames: floats(frames) })),
      },
    }),
    answerMasses: { unit: 'share of attention', axes: ['decoder layer', 'group'], groups: massGroups, values: masses },
    masses: {
      unit: 'share of attention',
      axes: ['row', 'decoder layer', 'head', 'group'],
      groups: massGroups,
      values: nested,
    },
  };
}

/** As few digits as give the same float32 again. */
const floats = (values: Float32Array): number[] => Array.from(values, shortest);

function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

/** One line per generated token. */
export function tokensCsv({ metadata, tokens, answer }: RunContent): CsvTable['lines'] {
  const most = metadata.tokens.reduce((longest, { alternatives }) => Math.max(longest, alternatives?.length ?? 0), 0);
  const ranks = Array.from({ length: most }, (_, i) => [`alternative_${i + 1}`, `alternative_${i + 1}_logprob`]).flat();
  const header = [
    'index',
    'id',
    'text',
    'position',
    'logprob',
    'probability',
    `image_share_d${answer?.layer ?? 0}`,
    ...ranks,
  ];
  const lines = tokens.map(({ token, imageShare }) => {
    const { id, text, position, logprob, alternatives = [] } = metadata.tokens[token]!;
    const others = Array.from({ length: most }, (_, i) => {
      const other = alternatives[i];
      return other ? [quotedText(other.text), other.logprob] : ['', ''];
    }).flat();
    const chance = logprob === undefined ? ['', ''] : [logprob, Math.exp(logprob)];
    return [token, id, quotedText(text), position, ...chance, imageShare, ...others];
  });
  return [header, ...lines];
}

/** One line per row, decoder layer and head: what that attention adds up to on each group. */
export function massesCsv({ metadata, allMasses }: RunContent): CsvTable['lines'] {
  const { layers, heads } = metadata.model.decoder;
  const groups = massGroups.length;
  const lines: (string | number)[][] = [['row', 'predicts_token', 'layer', 'head', ...massGroups]];
  for (let start = 0; start < allMasses.length; start += groups) {
    const map = start / groups;
    const row = Math.floor(map / (layers * heads));
    lines.push([
      row,
      row + 1,
      Math.floor(map / heads) % layers,
      map % heads,
      ...floats(allMasses.subarray(start, start + groups)),
    ]);
  }
  return lines;
}

/** As a JSON string: spaces and line feeds are seen, and no spreadsheet takes it for a formula. */
export const quotedText = (text: string): string => JSON.stringify(text);
