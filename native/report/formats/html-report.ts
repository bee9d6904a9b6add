/** The HTML report: one file, readable without scripts, with the panel over the embedded traces. */
import { createHash } from 'node:crypto';
import { embeddedTraceId } from '../../../trace/embedding.ts';
import type { Fact, ReportDocument } from '../document.ts';
import type { PackedTrace } from '../embedded-trace.ts';
import { inlineCode, markup, Markup, plainLine, scriptJson } from '../markup.ts';
import { megabytes } from '../numbers.ts';
import type { PageAssets } from '../page-assets.ts';
import { factLists, opening, sectionOf } from './html-sections.ts';
import { plainWords } from './words.ts';

/** @param packed one per trace of the document; none for paper: then the page has no script and carries no data */
export function renderHtml(report: ReportDocument, assets: PageAssets, packed: readonly PackedTrace[]): string {
  const style = inlineCode(assets.style);
  const interactive = packed.some(({ precision }) => precision !== 'none');
  const script = interactive ? inlineCode(assets.script) : undefined;
  const title = plainLine(plainWords(report.title));
  const sections = report.sections.map((section, index) => sectionOf(section, index + 1));
  const page = markup`<!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy(style, script)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="generator" content="Fovea" />
        <title>${title}</title>
        <style>${new Markup(style)}</style>
      </head>
      <body class="vscode-light fovea-light">
        <article class="report">${opening(report)}</article>
        ${script === undefined ? markup`` : markup`<section class="interactive" id="fovea-panel" aria-label="Interactive view" hidden></section>`}
        <article class="report">
          ${sections} ${factLists(report.facts, notes(report, packed), report.sections.length + 1)}
          <footer>One file, nothing from elsewhere, opens offline. Made from ${plainLine(report.source)}.</footer>
        </article>
        ${packed.map((each, index) => data(each, index, report.traces[index]!.name))}
        ${script === undefined ? markup`` : markup`<script>${new Markup(script)}</script>`}
      </body>
    </html> `;
  return page.text;
}

/** Nothing may be loaded, sent or run but what this file holds. */
function policy(style: string, script: string | undefined): string {
  return [
    "default-src 'none'",
    'img-src data: blob:',
    `style-src '${hash(style)}'`,
    ...(script === undefined ? [] : [`script-src '${hash(script)}'`]),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}

const hash = (text: string): string => `sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}`;

function data({ trace, blocks }: PackedTrace, index: number, name: string): Markup {
  const texts = blocks.map(
    ({ id, base64 }) =>
      markup`<script type="application/octet-stream" id="${id}">
        ${new Markup(base64)}
      </script> `,
  );
  return markup`<script type="application/json" id="${embeddedTraceId(index)}">
      ${scriptJson({ name, ...trace })}
    </script>
    ${texts}`;
}

const precisionWords: Readonly<Record<PackedTrace['precision'], string>> = {
  exact: 'Every number of the trace, exactly as recorded, is in this file; the interactive part draws from them.',
  steps:
    'Attention to images is in this file in 8 bits: in 255 steps up to the largest value of each map (of each row of regions, where images are divided into regions), so a value is off by at most 0.2 % of that. Everything else is as recorded. The figures and tables were made from the full numbers.',
  none: 'The trace is too large to be in this file, so there is no interactive part; open the trace itself for that. The figures and tables were made from the full numbers.',
};

function notes({ traces }: ReportDocument, packed: readonly PackedTrace[]): Fact[] {
  return packed.map(({ precision }, index) => {
    const { name, bytes } = traces[index]!;
    const value = `${precisionWords[precision]} The trace itself has ${megabytes(bytes)}.`;
    return { label: packed.length === 1 ? 'In this file' : `In this file: ${name}`, value };
  });
}
