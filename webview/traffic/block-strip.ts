/** The generation axis of traffic: which text tokens, or how many queries, each block holds. */
import type { TrafficWorkload } from '../../trace/traffic/metadata.ts';
import { element } from '../element.ts';
import { count, visibleToken } from '../format.ts';
import { rankClass } from './rank-rows.ts';
import type { Focus, Pointed } from './traffic-state.ts';

/** Rank that owns each query row. */
function ownersOfRows({ sharding }: TrafficWorkload): number[] {
  return sharding.queryRows.flatMap((rows, owner) => Array.from({ length: rows }, () => owner));
}

export function tokensOf(workload: TrafficWorkload, owner: number): string | undefined {
  if (!workload.tokens) return undefined;
  const owners = ownersOfRows(workload);
  return workload.tokens
    .filter((_, row) => owners[row] === owner)
    .map(({ text }) => text)
    .join('')
    .trim();
}

export class BlockStrip {
  readonly element: HTMLElement;

  constructor(
    workload: TrafficWorkload,
    private readonly point: (pointed: Pointed, click: boolean) => void,
  ) {
    const rows = workload.tokens
      ? this.tokenRows(workload)
      : [this.row('Query blocks', this.blocks(workload.sharding.queryRows))];
    const note = workload.tokens
      ? 'number and bar: rank that owns the query block'
      : 'queries of each block; the bar: its owner';
    this.element = element(
      'section',
      { class: 'traffic-strip', 'aria-label': 'Query blocks', 'data-testid': 'block-strip' },
      element('div', {}, ...rows),
      element('small', {}, note),
    );
  }

  draw({ owner }: Focus): void {
    for (const token of this.element.querySelectorAll<HTMLElement>('[data-owner]'))
      token.classList.toggle('on', token.dataset['owner'] === String(owner));
  }

  private tokenRows(workload: TrafficWorkload): HTMLElement[] {
    const owners = ownersOfRows(workload);
    const tokens = workload.tokens!.map(({ text, role }, row) => ({
      text,
      role,
      owner: owners[row]!,
      first: owners[row] !== owners[row - 1],
    }));
    const drawn = (generated: boolean): Node[] =>
      tokens
        .filter(({ role }) => (role === 'generated') === generated)
        .flatMap(({ text, owner, first }) => [
          ...(first ? [element('span', { class: `block-number ${rankClass(owner)}` }, String(owner))] : []),
          this.token(visibleToken(text), owner),
        ]);
    const image = workload.frames
      ? [
          element(
            'span',
            { class: 'visual small' },
            workload.frames.length === 1 ? 'image' : `${workload.frames.length} frames`,
          ),
        ]
      : [];
    return [this.row('Prompt', [...image, ...drawn(false)]), this.row('Answer', drawn(true))];
  }

  private blocks(queryRows: readonly number[]): Node[] {
    return queryRows.map((rows, owner) => this.token(`${owner} · ${count(rows)}`, owner));
  }

  private token(text: string, owner: number): HTMLElement {
    const token = element('span', { class: `token ${rankClass(owner)}`, 'data-owner': owner }, text);
    token.addEventListener('pointerenter', () => {
      this.point({ owner }, false);
    });
    token.addEventListener('pointerleave', () => {
      this.point({}, false);
    });
    token.addEventListener('click', () => {
      this.point({ owner }, true);
    });
    return token;
  }

  private row(name: string, tokens: readonly Node[]): HTMLElement {
    return element('div', { class: 'strip-row' }, element('span', { class: 'strip-name small dim' }, name), ...tokens);
  }
}
