import { tableElement, tableColumn, type TableData } from '../charts.ts';
import { element } from '../element.ts';
import { count } from '../format.ts';
import { placeName } from '../pruning/stages.ts';
import type { Scene } from '../scene.ts';

/** The flow as a table, where there is no room for bands: a row per stage. */
export class StageTable {
  readonly element = element('div', { class: 'stage-table', 'data-testid': 'stage-table' });
  private drawn = '';

  draw({ metadata, stage, fates }: Scene): void {
    const key = `${stage} ${fates !== null}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const stages = metadata.reduction?.stages ?? [];
    const data: TableData = {
      caption: 'Flow of tokens by stage',
      columns: [
        tableColumn('at', false),
        tableColumn('stage', false),
        ...['entering', 'leaving', 'dropped'].map(title => tableColumn(title)),
      ],
      rows: stages.map((one, index) => {
        const dropped = fates ? fates.state(index).counts.dropped - fates.state(index - 1).counts.dropped : undefined;
        return [
          `${index === stage ? '▸ ' : ''}${placeName(one)}`,
          one.title,
          count(one.entering),
          count(one.leaving),
          dropped === undefined ? '–' : count(dropped),
        ];
      }),
    };
    this.element.replaceChildren(tableElement(data));
  }
}
