/** The part of a run's report on a long visual input: which frames, or which parts of the large image, the answer read. */
import type { ImageDescription } from '../../../trace/schema.ts';
import { crossAttentionText } from '../../cli/cross-attention-text.ts';
import { type Figure, quoted, type Section, type Table, type Tile } from '../document.ts';
import { attentionStill, heatMap } from '../heat-pictures.ts';
import { percent, probability } from '../numbers.ts';
import type { ReadInput } from '../read-input.ts';
import { maximumOf } from '../report-pictures.ts';

interface Shown {
  readonly display: Uint8Array;
  readonly image: ImageDescription;
}

/** @param photographs undefined for a format without pictures */
export async function readingSection(
  read: ReadInput,
  shown: Shown,
  photographs: 'compact' | 'lossless' | undefined,
): Promise<Section> {
  const frames = read.frames.length > 0;
  return {
    title: frames ? 'Which frames it read' : 'What it read of the large image',
    note: [quoted(`${crossAttentionText(read.described)}.`.replace(/\.\.$/, '.'))],
    ...(photographs && { figures: frames ? frameFigures(read) : await imageFigures(read, shown, photographs) }),
    tables: [...(frames ? [frameTable(read)] : []), layerTable(read)],
    remark:
      'Gate: tanh of the trained one, by which what was read is multiplied. Change: length of what was added to the row over the length of the row, relative L2 norm. ' +
      `Means of heads and of the ${rowWords(read)} that predict the answer.`,
  };
}

const rowWords = ({ rows }: ReadInput): string => (rows === 1 ? 'one row' : `${rows} rows`);

function frameFigures({ described, frames, pictures, rows }: ReadInput): Figure[] {
  const most = frames.indexOf(maximumOf(frames));
  const tiles = described.frames.map(({ mime, width, height }, index): Tile => ({
    picture: {
      kind: 'raster',
      name: `frame-${index + 1}`,
      mime,
      bytes: pictures[index]!,
      width,
      height,
      alt: `Frame ${index + 1}`,
    },
    label: String(index + 1),
    note: percent(frames[index]!),
    chosen: index === most,
  }));
  const caption =
    `Share of cross-attention on each frame, mean of ${described.layers.length} layers, ${described.heads} heads and the ${rows} rows that predict the ` +
    `answer; frame ${most + 1} got the most.`;
  return [{ kind: 'tiles', name: 'frames', tiles, caption }];
}

async function imageFigures(
  { described, layers, map, rows }: ReadInput,
  { display, image }: Shown,
  photographs: 'compact' | 'lossless',
): Promise<Figure[]> {
  const { grid, crop, heads } = described;
  const maximum = maximumOf(map);
  const still = await attentionStill(
    { display, image: { ...image, crop }, grid, map, maximum },
    photographs === 'lossless',
  );
  const tiles: Tile[] = [];
  for (const { layer, map: own } of layers) {
    tiles.push({
      picture: {
        kind: 'raster',
        name: `read-${layer}`,
        mime: 'image/png',
        bytes: await heatMap(own, grid),
        width: grid.columns,
        height: grid.rows,
        alt: `Tokens that were read before decoder layer ${layer}`,
        cells: true,
      },
      label: `D${layer}`,
      note: `max ${probability(maximumOf(own))}`,
    });
  }
  const words = `mean of ${layers.length} layers, ${heads} heads and ${rows} rows that predict the answer`;
  const size = `${grid.rows} × ${grid.columns} high-resolution tokens`;
  return [
    {
      kind: 'picture',
      picture: {
        kind: 'raster',
        name: 'read',
        ...still,
        alt: `Cross-attention to ${size}, ${words}, 0 to ${probability(maximum)}`,
      },
      scale: { maximum, unit: 'probability per token' },
      caption: `Cross-attention of the answer to ${size}, ${words}; the largest, ${probability(maximum)}, is framed.`,
    },
    { kind: 'tiles', name: 'read-layers', tiles, caption: 'The same before each layer, each map to its own maximum.' },
  ];
}

function frameTable({ described, frames, layers }: ReadInput): Table {
  return {
    columns: [
      { title: 'frame', align: 'right' },
      { title: 'file', align: 'left' },
      { title: 'mean', align: 'right' },
      ...layers.map(({ layer }) => ({ title: `before D${layer}`, align: 'right' }) as const),
    ],
    rows: described.frames.map(({ name }, index) => ({
      cells: [
        String(index + 1),
        quoted(name),
        percent(frames[index]!),
        ...layers.map(layer => percent(layer.frames[index]!)),
      ],
    })),
  };
}

function layerTable({ layers }: ReadInput): Table {
  return {
    columns: [
      { title: 'before', align: 'left' },
      { title: 'gate', align: 'right' },
      { title: 'change', align: 'right' },
    ],
    rows: layers.map(({ layer, gate, change }) => ({ cells: [`D${layer}`, gate.toFixed(2), percent(change)] })),
  };
}
