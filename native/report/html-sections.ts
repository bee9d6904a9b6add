/** The static part of the page: everything that is read without scripts and on paper. */
import { massGroups } from '../../trace/schema.ts';
import { groupNames, groupOrder, visibleToken } from './groups.ts';
import { heatColour, type EncodedPicture } from './heat-pictures.ts';
import { isolated, markup, type Markup } from './markup.ts';
import { percent, probability, tokenProbability } from './numbers.ts';
import { maximumOf, type ReportPictures } from './report-pictures.ts';
import type { AnswerAttention, RunContent } from './run-content.ts';
import { cautions, runFacts, summaryLine, type Fact } from './run-facts.ts';

const dataUri = (bytes: Uint8Array, mime = 'image/png'): string =>
  `data:${mime};base64,${Buffer.from(bytes).toString('base64')}`;

export function opening({ metadata }: RunContent): Markup {
  const answer =
    metadata.answer === ''
      ? markup`<dd class="answer">(nothing)</dd>`
      : markup`<dd class="answer" dir="auto">${metadata.answer}</dd>`;
  return markup`<h1>Where ${isolated(metadata.model.name)} looked in ${isolated(metadata.image.name)}</h1>
    <p class="about">${summaryLine(metadata)}</p>
    <dl class="exchange">
      <dt>Question</dt>
      <dd dir="auto">${metadata.prompt.question}</dd>
      <dt>Answer</dt>
      ${answer}
    </dl>
    <p class="caution">${cautions(metadata).join(' ')}</p>`;
}

export function attentionFigure(content: RunContent, pictures: ReportPictures | undefined): Markup {
  const { answer, metadata } = content;
  if (!answer || !pictures)
    return markup`<section>
      <h2>Where it looked</h2>
      <p>No token of an answer was computed, so there is no map to show.</p>
    </section>`;
  const { heads } = metadata.model.decoder;
  const { grid } = metadata.visual;
  const map = answer.maps[answer.layer]!;
  const maximum = maximumOf(map);
  const peak = map.indexOf(maximum);
  const share = content.masses[answer.layer]![massGroups.indexOf('image')]!;
  const tiles = pictures.layers.map((picture, layer) => {
    const chosen = layer === answer.layer ? ' chosen' : '';
    return markup`<div class="tile${chosen}">
      <img
        src="${dataUri(picture)}"
        alt="Map of decoder layer ${layer}"
        width="${grid.columns}"
        height="${grid.rows}"
      /><span>D${layer}</span><span>max ${probability(maximumOf(answer.maps[layer]!))}</span>
    </div> `;
  });
  const words = answerWords(answer);
  const description = `Attention of the answer, decoder layer ${answer.layer}, mean of ${heads} heads and ${words}, on the image: 0 to ${probability(maximum)}, peak at row ${Math.floor(peak / grid.columns)}, column ${peak % grid.columns}`;
  return markup`<section>
    <h2>1&ensp;Where it looked: the whole answer</h2>
    <div class="figure-pair">
      <figure>
        ${still(pictures.still, description)}${legend(maximum)}
        <figcaption>
          Layer D${answer.layer}, mean of ${heads} heads and ${words}, ${grid.rows} × ${grid.columns} patches. Peak
          ${probability(maximum)} at row ${Math.floor(peak / grid.columns)}, column ${peak % grid.columns} (framed).
          ${percent(share)} of these rows’ attention is on the image; the rest, on text, is not drawn. D${answer.layer}
          is the layer that singles out parts of the image most: it has the most attention above an even spread over the
          patches.
        </figcaption>
      </figure>
      <figure>
        <div class="layer-maps">${tiles}</div>
        <figcaption>
          The same mean in all ${answer.maps.length} decoder layers, each map to its own maximum (probability per
          patch). Dark is high.
        </figcaption>
      </figure>
    </div>
  </section>`;
}

const answerWords = ({ answerTokens }: AnswerAttention): string =>
  answerTokens === 1 ? 'the one answer token' : `${answerTokens} answer tokens`;

function still({ bytes, mime, width, height }: EncodedPicture, description: string): Markup {
  return markup`<img
    class="still"
    src="${dataUri(bytes, mime)}"
    width="${width}"
    height="${height}"
    alt="${description}"
  />`;
}

function legend(maximum: number): Markup {
  const stops = Array.from({ length: 13 }, (_, i) => {
    const [red, green, blue] = heatColour(i / 12);
    return markup`<stop offset="${i / 12}" stop-color="rgb(${red},${green},${blue})" />`;
  });
  return markup`<svg
    class="legend-bar"
    viewBox="0 0 300 26"
    role="img"
    aria-label="Scale from 0 to ${probability(maximum)}, probability per patch"
  >
    <defs><linearGradient id="heat">${stops}</linearGradient></defs>
    <rect width="140" height="11" fill="url(#heat)" stroke="#d0d0d0" stroke-width="0.5" />
    <text y="24">0</text>
    <text x="140" y="24" text-anchor="end">${probability(maximum)}</text>
    <text x="148" y="10">probability per patch</text>
  </svg>`;
}

export function tokenTable(content: RunContent, pictures: ReportPictures | undefined): Markup {
  const { answer, metadata, tokens } = content;
  if (!answer) return markup``;
  const { grid } = metadata.visual;
  const rows = tokens.map(({ token, imageShare }, index) => {
    const { text, logprob, alternatives = [], id } = metadata.tokens[token]!;
    const picture = pictures?.tokens[index];
    const thumb = picture
      ? markup`<img class="thumb" src="${dataUri(picture)}" alt="" width="${grid.columns}" height="${grid.rows}" />`
      : markup`–`;
    const others = alternatives
      .filter(other => other.id !== id)
      .map(other => markup`<span>${isolated(visibleToken(other.text))} ${tokenProbability(other.logprob)}</span> `);
    const chance =
      logprob === undefined
        ? markup`<td></td>
            <td></td>`
        : markup`<td class="number">${tokenProbability(logprob)}</td>
            <td>${bar(Math.exp(logprob))}</td>`;
    return markup`<tr>
      <td class="number">${index + 1}</td>
      <td class="word">${isolated(visibleToken(text))}</td>
      ${chance}
      <td>${thumb}</td>
      <td class="number">${percent(imageShare)}</td>
      <td class="others">${others}</td>
    </tr> `;
  });
  return markup`<section>
    <h2>2&ensp;Token by token</h2>
    <p class="note">
      Probability is the model’s own, before temperature and top-p. The maps are of the row that predicts the token,
      layer D${answer.layer}, mean of ${metadata.model.decoder.heads} heads, each to its own maximum; “on image” is the
      share of that row’s attention.
    </p>
    <table>
      <thead>
        <tr>
          <th class="number">#</th>
          <th>token</th>
          <th class="number" colspan="2">probability</th>
          <th>where it looked</th>
          <th class="number">on image</th>
          <th>most probable others</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </section>`;
}

function bar(share: number): Markup {
  const width = Math.max(0, Math.min(1, share)) * 60;
  return markup`<svg width="60" height="6" aria-hidden="true">
    <rect class="bar-track" width="60" height="6" />
    <rect class="bar" width="${width.toFixed(1)}" height="6" />
  </svg>`;
}

export function massTable(content: RunContent): Markup {
  const { answer, masses, metadata } = content;
  if (!answer) return markup``;
  const head = groupOrder.map(
    group =>
      markup`<th class="number">
        <svg class="key" width="9" height="9" aria-hidden="true">
          <rect class="mass-${group}" width="9" height="9" /></svg
        >${groupNames[group]}
      </th>`,
  );
  const rows = masses.map((layer, index) => {
    const shares = groupOrder.map(group => layer[massGroups.indexOf(group)]!);
    const cells = shares.map(share => markup`<td class="number">${percent(share)}</td>`);
    return markup`<tr class="${index === answer.layer ? 'chosen' : ''}">
      <td>D${index}</td>
      ${cells}
      <td>${stack(shares)}</td>
    </tr> `;
  });
  return markup`<section>
    <h2>3&ensp;What every layer read from</h2>
    <p class="note">
      Share of the attention of the rows that predict the answer, mean of ${metadata.model.decoder.heads} heads and
      ${answerWords(answer)}. “System” is everything that the chat template adds around the question.
    </p>
    <table>
      <thead>
        <tr>
          <th>layer</th>
          ${head}
          <th></th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </section>`;
}

function stack(shares: readonly number[]): Markup {
  let left = 0;
  const parts = shares.map((share, index) => {
    const x = left;
    left += share * 200;
    return markup`<rect
      class="mass-${groupOrder[index]!}"
      x="${x.toFixed(1)}"
      width="${Math.max(0, share * 200 - 0.6).toFixed(1)}"
      height="10"
    />`;
  });
  return markup`<svg width="200" height="10" aria-hidden="true">${parts}</svg>`;
}

/** @param note how precise the numbers in this file are */
export function factList({ metadata }: RunContent, traceName: string, note: readonly Fact[]): Markup {
  const entries = [...runFacts(metadata, traceName), ...note].map(({ label, value, kind }) => {
    const shown =
      kind === 'text'
        ? markup`<pre dir="auto">${value}</pre>`
        : kind === 'code'
          ? markup`<code dir="ltr">${isolated(value)}</code>`
          : isolated(value);
    return markup`<dt>${label}</dt>
      <dd>${shown}</dd> `;
  });
  return markup`<section>
    <h2>4&ensp;How it was made</h2>
    <dl class="facts-list">${entries}</dl>
  </section>`;
}
