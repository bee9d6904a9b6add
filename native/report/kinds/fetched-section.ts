/** The part of a run's report on high-resolution tokens: which cells were read, and what each layer had of them. */
import type { ImageDescription } from '../../../trace/schema.ts';
import { highResolutionText } from '../../cli/high-resolution-text.ts';
import type { Figure, Section, Table } from '../document.ts';
import type { FetchedTokens } from '../fetched-tokens.ts';
import { attentionStill, heatMap } from '../heat-pictures.ts';
import { percent } from '../numbers.ts';
import { maximumOf } from '../report-pictures.ts';

interface Shown {
  readonly display: Uint8Array;
  readonly image: ImageDescription;
}

/** @param photographs undefined for a format without pictures */
export async function fetchedSection(
  fetched: FetchedTokens,
  shown: Shown,
  photographs: 'compact' | 'lossless' | undefined,
): Promise<Section> {
  return {
    title: 'What it fetched in high resolution',
    note: `${highResolutionText(fetched.described)}.`.replace(/\.\.$/, '.'),
    ...(photographs && { figures: await figures(fetched, shown, photographs) }),
    tables: [table(fetched)],
    remark:
      'Attention: share of the last query’s attention that is on high-resolution tokens, mean of heads and steps. Change: of the attention’s output, relative ' +
      'L2 norm. Overlap: intersection over union with what the layer read one step earlier.',
  };
}

async function figures(
  { described, steps, layers, read }: FetchedTokens,
  { display, image }: Shown,
  photographs: 'compact' | 'lossless',
): Promise<Figure[]> {
  const { cells, crop } = described;
  const maximum = maximumOf(read);
  const still = await attentionStill(
    { display, image: { ...image, crop }, grid: cells, map: read, maximum },
    photographs === 'lossless',
  );
  const during = steps === 1 ? 'the one step' : `${steps} steps`;
  const tiles = [];
  for (const layer of layers) {
    tiles.push({
      picture: {
        kind: 'raster',
        name: `fetched-${layer.layer}`,
        mime: 'image/png',
        bytes: await heatMap(layer.read, cells),
        width: cells.columns,
        height: cells.rows,
        alt: `Cells that decoder layer ${layer.layer} read`,
        cells: true,
      },
      label: `D${layer.layer}`,
      note: `${layer.tokens.toFixed(0)} tokens`,
    } as const);
  }
  return [
    {
      kind: 'picture',
      picture: {
        kind: 'raster',
        name: 'fetched',
        ...still,
        alt: `How many of ${layers.length} layers and ${during} read each of ${cells.rows} × ${cells.columns} cells, up to ${percent(maximum)}`,
      },
      scale: { maximum, unit: 'share of layers and steps' },
      caption:
        `How many of ${layers.length} layers, at ${during}, read each of ${cells.rows} × ${cells.columns} cells of the large image; the most, ` +
        `${percent(maximum)}, is framed.`,
    },
    {
      kind: 'tiles',
      name: 'fetched-layers',
      tiles,
      caption: 'The same by layer, each to its own maximum; below, the tokens that it read, mean of the steps.',
    },
  ];
}

function table({ described, layers }: FetchedTokens): Table {
  const all = described.grid.rows * described.grid.columns;
  return {
    columns: [
      { title: 'layer', align: 'left' },
      { title: 'tokens read', align: 'right' },
      { title: 'of all', align: 'right' },
      { title: 'attention', align: 'right' },
      { title: 'change', align: 'right' },
      { title: 'overlap', align: 'right' },
    ],
    rows: layers.map(({ layer, tokens, attention, change, overlap }) => ({
      cells: [
        `D${layer}`,
        tokens.toFixed(0),
        percent(tokens / all),
        percent(attention),
        percent(change),
        overlap === undefined ? '' : overlap.toFixed(2),
      ],
    })),
  };
}
