/** Swim lanes of a traffic run: compute, send, receive and stall of every rank over time, as a drawing of its own. */
import type { Ledger } from '../../../trace/traffic/ledger.ts';
import type { DrawnPicture } from '../document.ts';
import { markup, type Markup } from '../markup.ts';
import { seconds } from './traffic-tables.ts';

/** The light palette of ranks, which is that of the query blocks they own; the number carries the identity. */
const fills = ['#2f6db5', '#b35c00', '#2f7d2a', '#c22f33', '#8a4c8a', '#18807a', '#8a7000', '#7a4f38'];
const stallFill = '#c72e0f';
const [left, width, lane, gap] = [96, 776, 9, 8];
/** More would be thinner than a line. */
const mostRanks = 16;
const lanes = ['compute', 'send', 'receive', 'stall'] as const;

type Events = Pick<Ledger, 'transfers' | 'computes' | 'waits'>;

export function lanePicture(name: string, alt: string, ranks: number, events: Events): DrawnPicture {
  const shown = Math.min(ranks, mostRanks);
  // Of more events than a call takes arguments.
  const end = allEnds(events).reduce((latest, ended) => (Number.isFinite(ended) ? Math.max(latest, ended) : latest), 1);
  const pitch = lanes.length * lane + gap;
  const bar = (rank: number, row: number, start: number, stop: number, owner: number, note: string): Markup => {
    if (rank >= shown || !(stop > start)) return markup``;
    const x = left + (width * start) / end;
    const size = Math.max(0.5, (width * (stop - start)) / end);
    const fill = row === 3 ? stallFill : fills[Math.max(0, owner) % fills.length]!;
    return markup`<rect x="${x.toFixed(2)}" y="${12 + rank * pitch + row * lane}" width="${size.toFixed(2)}" height="${lane - 1}" fill="${fill}"><title>${note}</title></rect>`;
  };
  const marks = [
    ...events.computes.map(({ rank, owner, kind, round, started, ended }) =>
      bar(rank, 0, started, ended, owner, `${kind}, round ${round}, block ${owner}`),
    ),
    ...events.transfers.flatMap(({ source, destination, owner, kind, bytes, started, ended }) => [
      bar(source, 1, started, ended, owner, `sends ${kind} of ${owner}, ${bytes} bytes`),
      bar(destination, 2, started, ended, owner, `receives ${kind} of ${owner}, ${bytes} bytes`),
    ]),
    ...events.waits.map(({ rank, owner, kind, started, ended }) =>
      bar(rank, 3, started, ended, owner, `waits for ${kind} of ${owner}`),
    ),
  ];
  const height = 12 + shown * pitch + 22;
  const labels = Array.from({ length: shown }, (_, rank) => [
    markup`<text x="4" y="${12 + rank * pitch + 20}" font-weight="600">rank ${rank}</text>`,
    ...lanes.map(
      (text, row) =>
        markup`<text x="${left - 4}" y="${12 + rank * pitch + row * lane + 7}" text-anchor="end" font-size="8">${text}</text>`,
    ),
  ]).flat();
  const more =
    ranks > shown
      ? markup`<text x="4" y="${height - 4}">${ranks - shown} more ranks are in the tables</text>`
      : markup``;
  return {
    kind: 'drawing',
    name,
    alt,
    svg: markup`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 880 ${height}" font-family="sans-serif" font-size="11" fill="#3b3b3b">
      ${labels}${marks}
      <line x1="${left}" x2="${left + width}" y1="${height - 18.5}" y2="${height - 18.5}" stroke="#8a8a8a" />
      <text x="${left}" y="${height - 4}">0</text>
      <text x="${left + width}" y="${height - 4}" text-anchor="end">${seconds(end / 1e9)}; colour: the rank whose block it is; red: stall</text>${more}
    </svg>`,
  };
}

function allEnds({ transfers, computes, waits }: Events): number[] {
  return [...transfers, ...computes, ...waits].map(({ ended }) => ended);
}
