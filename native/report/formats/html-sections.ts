/** The static part of the page: everything that is read without scripts and on paper. */
import type {
  Cell,
  Fact,
  Figure,
  HeatScale,
  RasterPicture,
  ReportDocument,
  ReportPicture,
  Section,
  Table,
  Words,
} from '../document.ts';
import { heatColour } from '../heat-pictures.ts';
import { isolated, markup, type Markup } from '../markup.ts';
import { probability } from '../numbers.ts';
import { htmlWords, isCell } from './words.ts';

export function opening({ title, about, exchange, cautions }: ReportDocument): Markup {
  const entries = exchange.map(
    ({ label, words, strong }) =>
      markup`<dt>${htmlWords(label)}</dt>
        <dd class="${strong ? 'answer' : ''}" dir="auto">${htmlWords(words)}</dd> `,
  );
  return markup`<h1>${htmlWords(title)}</h1>
    <p class="about">${about}</p>
    ${entries.length > 0 ? markup`<dl class="exchange">${entries}</dl>` : ''}
    ${cautions.length > 0 ? markup`<p class="caution">${cautions.join(' ')}</p>` : ''}`;
}

/** @param number counts from 1 */
export function sectionOf({ title, note, figures = [], tables = [], remark }: Section, number: number): Markup {
  return markup`<section>
    <h2>${number}&ensp;${title}</h2>
    ${note === undefined ? markup`` : markup`<p class="note">${htmlWords(note)}</p>`} ${figureRow(figures)}
    ${tables.map(tableOf)} ${remark === undefined ? markup`` : markup`<p class="note">${htmlWords(remark)}</p>`}
  </section> `;
}

function figureRow(figures: readonly Figure[]): Markup {
  if (figures.length === 0) return markup``;
  const shape =
    figures.length === 1 ? 'figure-one' : figures.some(({ kind }) => kind === 'tiles') ? 'figure-pair' : 'figure-row';
  return markup`<div class="${shape}">${figures.map(figureOf)}</div>`;
}

function figureOf(figure: Figure): Markup {
  const caption = markup`<figcaption>${htmlWords(figure.caption)}</figcaption>`;
  if (figure.kind === 'tiles') {
    const tiles = figure.tiles.map(
      ({ picture, label, note, chosen }) =>
        markup`<div class="tile${chosen ? ' chosen' : ''}">
          ${image(picture, '')}<span>${label}</span><span>${note ?? ''}</span>
        </div> `,
    );
    return markup`<figure>
      <div class="layer-maps">${tiles}</div>
      ${caption}
    </figure> `;
  }
  const { picture, scale, title } = figure;
  return markup`<figure>
    ${title === undefined ? markup`` : markup`<p class="figure-title">${htmlWords(title)}</p>`}
    ${pictureOf(picture)}${scale ? legend(scale) : markup``} ${caption}
  </figure> `;
}

const pictureOf = (picture: ReportPicture): Markup =>
  picture.kind === 'drawing'
    ? markup`<div class="drawing" role="img" aria-label="${picture.alt}">${picture.svg}</div>`
    : image(picture, picture.cells ? 'still cells' : 'still');

function image({ mime, bytes, width, height, alt }: RasterPicture, style: string): Markup {
  const uri = `data:${mime};base64,${Buffer.from(bytes).toString('base64')}`;
  return markup`<img class="${style}" src="${uri}" width="${width}" height="${height}" alt="${alt}" />`;
}

/** Rectangles instead of a gradient, which would need a name of its own in the page. */
function legend({ maximum, unit }: HeatScale): Markup {
  const steps = Array.from({ length: 28 }, (_, i) => {
    const [red, green, blue] = heatColour(i / 27);
    return markup`<rect x="${i * 5}" width="5.2" height="11" fill="rgb(${red},${green},${blue})" />`;
  });
  return markup`<svg
    class="legend-bar"
    viewBox="0 0 300 26"
    role="img"
    aria-label="Scale from 0 to ${probability(maximum)}, ${unit}"
  >
    ${steps}
    <rect width="140" height="11" fill="none" stroke="#d0d0d0" stroke-width="0.5" />
    <text y="24">0</text>
    <text x="140" y="24" text-anchor="end">${probability(maximum)}</text>
    <text x="148" y="10">${unit}</text>
  </svg>`;
}

function tableOf({ columns, rows }: Table): Markup {
  const head = columns.map(
    ({ title, align, key }) =>
      markup`<th class="${align === 'right' ? 'number' : ''}">
        ${key === undefined ? markup`` : markup`<svg class="key" width="9" height="9" aria-hidden="true"><rect class="${key}" width="9" height="9" /></svg>`}${htmlWords(title)}
      </th>`,
  );
  const lines = rows.map(({ cells, chosen }) => {
    const shown = cells.map((cell, index) => cellOf(cell, columns[index]?.align === 'right'));
    return markup`<tr class="${chosen ? 'chosen' : ''}">
      ${shown}
    </tr> `;
  });
  return markup`<table>
    <thead>
      <tr>
        ${head}
      </tr>
    </thead>
    <tbody>
      ${lines}
    </tbody>
  </table>`;
}

function cellOf(given: Cell | Words, right: boolean): Markup {
  const cell: Cell = isCell(given) ? given : { words: given };
  if ('bar' in cell) return markup`<td>${bar(cell.bar)}</td>`;
  if ('stack' in cell) return markup`<td>${stack(cell.stack)}</td>`;
  if ('thumbnail' in cell) return markup`<td>${cell.thumbnail ? image(cell.thumbnail, 'thumb') : '–'}</td>`;
  const style = [right ? 'number' : '', cell.strong ? 'word' : '', cell.dim ? 'others' : ''].filter(
    name => name !== '',
  );
  return markup`<td class="${style.join(' ')}">${htmlWords(cell.words)}</td>`;
}

function bar(share: number): Markup {
  const width = Math.max(0, Math.min(1, share)) * 60;
  return markup`<svg width="60" height="6" aria-hidden="true">
    <rect class="bar-track" width="60" height="6" />
    <rect class="bar" width="${width.toFixed(1)}" height="6" />
  </svg>`;
}

function stack(shares: Extract<Cell, { stack: unknown }>['stack']): Markup {
  let left = 0;
  const parts = shares.map(({ share, colour }) => {
    const x = left;
    left += share * 200;
    const width = Math.max(0, share * 200 - 0.6).toFixed(1);
    return markup`<rect class="${colour}" x="${x.toFixed(1)}" width="${width}" height="10" />`;
  });
  return markup`<svg width="200" height="10" aria-hidden="true">${parts}</svg>`;
}

/** @param note how precise the numbers in this file are; @param number of the section */
export function factLists(facts: ReportDocument['facts'], note: readonly Fact[], number: number): Markup {
  const lists = facts.map(({ title, facts }) => {
    const heading = title === undefined ? markup`` : markup`<h3>${htmlWords(title)}</h3>`;
    return markup`${heading}
      <dl class="facts-list">${facts.map(factOf)}</dl>`;
  });
  const notes = note.length > 0 ? markup`<dl class="facts-list">${note.map(factOf)}</dl>` : markup``;
  return markup`<section>
    <h2>${number}&ensp;How it was made</h2>
    ${lists} ${notes}
  </section>`;
}

function factOf({ label, value, kind }: Fact): Markup {
  const shown =
    kind === 'text'
      ? markup`<pre dir="auto">${value}</pre>`
      : kind === 'code'
        ? markup`<code dir="ltr">${isolated(value)}</code>`
        : isolated(value);
  return markup`<dt>${label}</dt>
    <dd>${shown}</dd> `;
}
