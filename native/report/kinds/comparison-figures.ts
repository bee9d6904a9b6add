import { massGroups } from '../../../trace/schema.ts';
import type { Figure, Section } from '../document.ts';
import { attentionStill } from '../heat-pictures.ts';
import { keptPicture } from '../kept-picture.ts';
import { percent, probability } from '../numbers.ts';
import type { BuildOptions } from '../report-kind.ts';
import { maximumOf } from '../report-pictures.ts';
import { metadataOf, runTitle, type ComparedRun } from './compared-run.ts';
import { countKept } from '../../../trace/kept-patches.ts';
import { layerChart } from './layer-chart.ts';
import { answerWords } from './run-report.ts';

type Pictures = BuildOptions['pictures'];

/** All on one scale, and at A's layer where the models have as many. */
export async function attentionSection(runs: readonly ComparedRun[], pictures: Pictures): Promise<Section> {
  const title = 'Where each looked: the whole answer';
  const answered = runs.filter(({ content }) => content.answer);
  if (answered.length === 0)
    return { title, note: 'No run computed a token of an answer, so there is no map to show.' };
  const first = answered[0]!.content.answer!;
  const shown = answered.map(run => {
    const answer = run.content.answer!;
    const layer = answer.maps.length === first.maps.length ? first.layer : answer.layer;
    return { run, answer, layer, map: answer.maps[layer]! };
  });
  const maximum = Math.max(...shown.map(({ map }) => maximumOf(map)));
  const figures: Figure[] = [];
  if (pictures !== 'none')
    for (const { run, answer, layer, map } of shown) {
      const { grid } = metadataOf(run).visual;
      const { image, model } = metadataOf(run);
      const picture = await attentionStill(
        { display: run.content.display, image, grid, map, maximum },
        pictures === 'lossless',
      );
      const own = maximumOf(map);
      const peak = map.indexOf(own);
      const words = `layer D${layer}, mean of ${model.decoder.heads} heads and ${answerWords(answer)}`;
      const place = `row ${Math.floor(peak / grid.columns)}, column ${peak % grid.columns}`;
      const share = run.content.masses[layer]?.[massGroups.indexOf('image')] ?? 0;
      figures.push({
        kind: 'picture',
        title: runTitle(run),
        picture: {
          kind: 'raster',
          name: `attention-${run.letter.toLowerCase()}`,
          ...picture,
          alt: `Attention of the answer of run ${run.letter}, ${words}: up to ${probability(own)}, peak at ${place}`,
        },
        scale: { maximum, unit: 'probability per patch' },
        caption:
          `Run ${run.letter}, ${words}. Peak ${probability(own)} at ${place} (framed); ${percent(share)} of these rows’ ` +
          `attention is on the image.`,
      });
    }
  const missing = runs.filter(run => !answered.includes(run)).map(({ letter }) => letter);
  return {
    title,
    note:
      `All pictures have one colour scale, 0 to ${probability(maximum)}, and show the layer that singles out parts of the ` +
      `image most in ${answered[0]!.letter}, or in the run itself where its model has another depth.` +
      (missing.length > 0 ? ` ${missing.join(', ')} computed no answer.` : ''),
    figures,
  };
}

/** Nothing where no run has a token method. */
export async function keptSection(runs: readonly ComparedRun[], pictures: Pictures): Promise<Section[]> {
  if (!runs.some(run => (metadataOf(run).reduction?.stages.length ?? 0) > 0)) return [];
  const [first, ...others] = runs;
  const figures: Figure[] = [];
  const lines: string[] = [];
  for (const other of others) {
    if (
      first!.kept.length !== other.kept.length ||
      metadataOf(first!).image.digest !== metadataOf(other).image.digest
    ) {
      lines.push(`${other.letter} is of another image or grid, and has no picture here.`);
      continue;
    }
    const { both, onlyFirst, onlySecond, neither, overlap } = countKept(first!.kept, other.kept);
    const [a, b] = [first!.letter, other.letter];
    const counts = `only ${a} ${onlyFirst}, only ${b} ${onlySecond}, both ${both}, neither ${neither} patches`;
    lines.push(`${a} and ${b}: ${counts}; intersection over union ${overlap.toFixed(2)}.`);
    if (pictures === 'none') continue;
    const { image, visual } = metadataOf(first!);
    const picture = await keptPicture(
      { display: first!.content.display, image, grid: visual.grid },
      first!.kept,
      other.kept,
    );
    figures.push({
      kind: 'picture',
      title: `Kept by ${a} or ${b}`,
      picture: {
        kind: 'raster',
        name: `kept-${a.toLowerCase()}-${b.toLowerCase()}`,
        ...picture,
        alt: `Patches kept: ${counts}`,
      },
      caption:
        `Patches that belong to a visual token after the last stage. Untouched: of both. Purple, hatched like /: of ` +
        `${runTitle(first!)} only. Green, hatched like \\: of ${runTitle(other)} only. Pale: of neither. ${counts}; ` +
        `intersection over union ${overlap.toFixed(2)}.`,
    });
  }
  const series = runs.map(({ letter, content: { metadata } }) => ({
    letter,
    values:
      metadata.reduction?.layers.map(({ entering }) => entering) ??
      Array<number>(metadata.model.decoder.layers).fill(metadata.visual.count),
  }));
  const chart: Figure = {
    kind: 'picture',
    picture: layerChart('tokens-entering', 'Visual tokens that enter each decoder layer, by run', series),
    caption: 'Visual tokens that enter each decoder layer in prefill, one bar a run; the scale starts at 0.',
  };
  return [
    { title: 'What each kept', note: lines.join(' '), figures },
    {
      title: 'Visual tokens layer by layer',
      ...(pictures !== 'none' && { figures: [chart] }),
      tables: [
        {
          columns: [
            { title: 'layer', align: 'left' },
            ...runs.map(run => ({ title: runTitle(run), align: 'right' }) as const),
          ],
          rows: Array.from({ length: Math.max(...series.map(({ values }) => values.length)) }, (_, layer) => ({
            cells: [
              `D${layer}`,
              ...series.map(({ values }) => (values[layer] === undefined ? '' : String(values[layer]))),
            ],
          })),
        },
      ],
    },
  ];
}
