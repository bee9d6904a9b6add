/** The report of one run: where it looked, token by token, what every layer read from. */
import { massGroups } from '../../../trace/schema.ts';
import { quoted, type Figure, type ReportDocument, type Section, type Table } from '../document.ts';
import { groupNames, groupOrder, visibleToken } from '../groups.ts';
import { percent, probability, tokenProbability } from '../numbers.ts';
import type { ReportKind } from '../report-kind.ts';
import { drawPictures, maximumOf, type ReportPictures } from '../report-pictures.ts';
import { readContent, type AnswerAttention, type RunContent } from '../run-content.ts';
import { cautions, runFacts, summaryLine } from '../run-facts.ts';
import { fetchedSection } from './fetched-section.ts';
import { readingSection } from './reading-section.ts';
import { massesCsv, runNumbers, tokensCsv } from './run-numbers.ts';

export const runReport: ReportKind = {
  id: 'run',
  madeOf: 'one trace of a run (*.fovea)',
  accepts: async ([source, ...more]) => more.length === 0 && (await source?.traceKind()) === 'run',
  async build([source], options): Promise<ReportDocument> {
    const trace = await source!.trace();
    const content = await readContent(trace);
    const { metadata } = content;
    const { name, bytes } = source!;
    const photographs = options.pictures === 'none' ? undefined : options.pictures;
    const pictures = photographs && (await drawPictures(content, photographs));
    const { display, fetched, read } = content;
    const shown = { display, image: metadata.image };
    const further = [
      ...(fetched ? [await fetchedSection(fetched, shown, photographs)] : []),
      ...(read ? [await readingSection(read, shown, photographs)] : []),
    ];
    return {
      title: ['Where ', quoted(metadata.model.name), ' looked in ', quoted(metadata.image.name)],
      about: summaryLine(metadata),
      exchange: [
        { label: 'Question', words: quoted(metadata.prompt.question) },
        { label: 'Answer', words: metadata.answer === '' ? '(nothing)' : quoted(metadata.answer), strong: true },
      ],
      cautions: cautions(metadata),
      sections: [...sections(content, pictures), ...further],
      facts: [{ facts: runFacts(metadata, name) }],
      source: name,
      traces: [{ name, trace, bytes }],
      numbers: () => runNumbers(content, { name, bytes }),
      csv: () => [{ lines: tokensCsv(content) }, { suffix: 'masses', lines: massesCsv(content) }],
    };
  },
};

function sections(content: RunContent, pictures: ReportPictures | undefined): Section[] {
  if (!content.answer)
    return [
      {
        title: 'Where it looked',
        note: 'No token of an answer was computed, so there is no map to show.',
      },
    ];
  const { heads } = content.metadata.model.decoder;
  return [
    {
      title: 'Where it looked: the whole answer',
      ...(pictures && { figures: attentionFigures(content, content.answer, pictures) }),
    },
    {
      title: 'Token by token',
      note:
        `Probability is the model’s own, before temperature and top-p. The maps are of the row that predicts the token, ` +
        `layer D${content.answer.layer}, mean of ${heads} heads, each to its own maximum; “on image” is the share of ` +
        `that row’s attention.`,
      tables: [tokenTable(content, pictures)],
    },
    {
      title: 'What every layer read from',
      note:
        `Share of the attention of the rows that predict the answer, mean of ${heads} heads and ` +
        `${answerWords(content.answer)}. “System” is everything that the chat template adds around the question.`,
      tables: [massTable(content, content.answer)],
    },
  ];
}

function attentionFigures(
  { metadata, masses }: RunContent,
  answer: AnswerAttention,
  pictures: ReportPictures,
): Figure[] {
  const { heads } = metadata.model.decoder;
  const { grid } = metadata.visual;
  const map = answer.maps[answer.layer]!;
  const maximum = maximumOf(map);
  const peak = map.indexOf(maximum);
  const place = `row ${Math.floor(peak / grid.columns)}, column ${peak % grid.columns}`;
  const share = masses[answer.layer]![massGroups.indexOf('image')]!;
  const words = answerWords(answer);
  return [
    {
      kind: 'picture',
      picture: {
        kind: 'raster',
        name: 'answer-attention',
        ...pictures.still,
        alt:
          `Attention of the answer, decoder layer ${answer.layer}, mean of ${heads} heads and ${words}, on the image: ` +
          `0 to ${probability(maximum)}, peak at ${place}`,
      },
      scale: { maximum, unit: 'probability per patch' },
      caption:
        `Layer D${answer.layer}, mean of ${heads} heads and ${words}, ${grid.rows} × ${grid.columns} patches. Peak ` +
        `${probability(maximum)} at ${place} (framed). ${percent(share)} of these rows’ attention is on the image; the ` +
        `rest, on text, is not drawn. D${answer.layer} is the layer that singles out parts of the image most: it has the ` +
        `most attention above an even spread over the patches.`,
    },
    {
      kind: 'tiles',
      name: 'layers',
      tiles: pictures.layers.map((bytes, layer) => ({
        picture: {
          kind: 'raster',
          name: `layer-${layer}`,
          mime: 'image/png',
          bytes,
          width: grid.columns,
          height: grid.rows,
          alt: `Map of decoder layer ${layer}`,
          cells: true,
        },
        label: `D${layer}`,
        note: `max ${probability(maximumOf(answer.maps[layer]!))}`,
        chosen: layer === answer.layer,
      })),
      caption:
        `The same mean in all ${answer.maps.length} decoder layers, each map to its own maximum (probability per ` +
        `patch). Dark is high.`,
    },
  ];
}

export const answerWords = ({ answerTokens }: Pick<AnswerAttention, 'answerTokens'>): string =>
  answerTokens === 1 ? 'the one answer token' : `${answerTokens} answer tokens`;

function tokenTable({ metadata, tokens }: RunContent, pictures: ReportPictures | undefined): Table {
  const { grid } = metadata.visual;
  return {
    columns: [
      { title: '#', align: 'right' },
      { title: 'token', align: 'left' },
      { title: 'probability', align: 'right' },
      { title: '', align: 'left', graphic: true },
      { title: 'where it looked', align: 'left', graphic: true },
      { title: 'on image', align: 'right' },
      { title: 'most probable others', align: 'left' },
    ],
    rows: tokens.map(({ token, imageShare }, index) => {
      const { text, logprob, alternatives = [], id } = metadata.tokens[token]!;
      const bytes = pictures?.tokens[index];
      const others = alternatives
        .filter(other => other.id !== id)
        .flatMap((other, i) => [
          ...(i > 0 ? [', '] : []),
          quoted(visibleToken(other.text)),
          ` ${tokenProbability(other.logprob)}`,
        ]);
      return {
        cells: [
          String(index + 1),
          { words: quoted(visibleToken(text)), strong: true },
          logprob === undefined ? '' : tokenProbability(logprob),
          logprob === undefined ? '' : { bar: Math.exp(logprob) },
          {
            thumbnail: bytes && {
              kind: 'raster',
              name: `token-${index}`,
              mime: 'image/png',
              bytes,
              width: grid.columns,
              height: grid.rows,
              alt: '',
              cells: true,
            },
          },
          percent(imageShare),
          { words: others, dim: true },
        ],
      };
    }),
  };
}

function massTable({ masses }: RunContent, answer: AnswerAttention): Table {
  return {
    columns: [
      { title: 'layer', align: 'left' },
      ...groupOrder.map(group => ({ title: groupNames[group], align: 'right', key: `mass-${group}` }) as const),
      { title: '', align: 'left', graphic: true },
    ],
    rows: masses.map((layer, index) => {
      const shares = groupOrder.map(group => layer[massGroups.indexOf(group)]!);
      return {
        chosen: index === answer.layer,
        cells: [
          `D${index}`,
          ...shares.map(percent),
          { stack: shares.map((share, i) => ({ share, colour: `mass-${groupOrder[i]!}` })) },
        ],
      };
    }),
  };
}
