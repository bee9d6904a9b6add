import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { RunSummary } from '../../extension/runs/run-index.ts';
import { groupByImage, totalBytes } from '../../extension/runs/view/run-groups.ts';
import { nameProblem, traceFileName } from '../../extension/runs/view/run-rename.ts';
import { oneLine, sizeText, timeText, tooltipMarkdown } from '../../extension/runs/view/run-text.ts';
import { describingSamples, nextSample } from '../../extension/runs/view/sample.ts';
import {
  digestOfThumbnail,
  isDigest,
  mostThumbnailBytes,
  pictureKind,
} from '../../extension/runs/view/thumbnail-file.ts';
import { smallRun } from '../fixtures/small-run.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

function run(name: string, digest: string, image: string, bytes = 10): RunSummary {
  const { id, created, status, answer, method, prompt, model, ms } = smallRun;
  const metadata = {
    id,
    created,
    status,
    answer,
    method,
    image: { ...smallRun.image, digest, name: image },
    question: prompt.question,
    model: { name: model.name, bundled: model.bundled },
    totalMilliseconds: ms.total,
    tokens: { text: 5, generated: 2 },
  };
  return { path: `/runs/${name}.fovea`, bytes, metadata };
}

test('runs are grouped by the content of their image, the image with the newest run first', () => {
  const runs = [
    run('d', 'bb', 'b.png', 1),
    run('c', 'aa', 'renamed.png', 2),
    run('b', 'bb', 'b.png', 4),
    run('a', 'aa', 'a.png', 8),
  ];
  const groups = groupByImage(runs);
  assert.deepEqual(
    groups.map(({ digest, name, runs, bytes }) => [digest, name, runs.map(({ path }) => path), bytes]),
    [
      ['bb', 'b.png', ['/runs/d.fovea', '/runs/b.fovea'], 5],
      ['aa', 'renamed.png', ['/runs/c.fovea', '/runs/a.fovea'], 10],
    ],
  );
  assert.equal(totalBytes(runs), 15);
  assert.deepEqual(groupByImage([]), []);
});

test('a line of the list has no line breaks, no marks that reorder it, and no half characters', () => {
  assert.equal(oneLine('  What\r\n\tis\u202e this\u2067?\u0000 '), 'What is this?');
  assert.equal(oneLine('🦌'.repeat(300), 10), `${'🦌'.repeat(9)}…`);
  assert.equal(oneLine('12345', 5), '12345');
  assert.equal(oneLine('123456', 5), '1234…');
  assert.equal(oneLine(`a${' '.repeat(5000)}b`, 20), 'a…');
  assert.equal(oneLine('ما هذا؟'), 'ما هذا؟');
});

test('hostile questions and answers are text in a tooltip: no link, picture, HTML, command or heading', () => {
  const hostile = [
    '[x](command:workbench.action.terminal.new)',
    '![x](https://example.com/x.png)',
    '<img src=x onerror=alert(1)> <https://example.com>',
    '\n\n# Heading\n\n- list\n\n```\ncode\n```',
    'https://example.com www.example.com a@example.com',
    '$(trash) **bold** _it_ ~~no~~ | a | b |',
    '&lt;b&gt; \\` \u202egpj.exe',
  ];
  for (const text of hostile) {
    const markdown = tooltipMarkdown({
      question: text,
      answer: text,
      pictureText: text,
      pictureSize: { width: 6, height: 4 },
      picture: { mime: 'image/webp', bytes: Uint8Array.of(1, 2, 3) },
      rows: [['File', text]],
    });
    const own = markdown
      .replace(/&#\d+;/g, '')
      .replace(/^!\[[\w ]*\]\(data:image\/webp;base64,AQID\|width=144,height=96\)/, '')
      .replaceAll('**', '')
      .replace(/^File: /m, '');
    assert.match(own, /^[\p{L}\p{N}\s]*$/u, own);
    assert.equal(markdown.split('\n\n').length, 4, markdown);
  }
});

test('a tooltip leaves a picture out that VS Code would cut off, and stays below its limit', () => {
  const tooltip = (bytes: number, text: string): string =>
    tooltipMarkdown({
      question: text,
      answer: text,
      pictureText: 'a.png',
      pictureSize: { width: 4000, height: 1 },
      picture: { mime: 'image/webp', bytes: new Uint8Array(bytes) },
      rows: [['File', text]],
    });
  assert.match(tooltip(12_000, 'a'), /^!\[a&#46;png\]\(data:image\/webp;base64,\w+={0,2}\|width=144,height=1\)/);
  assert.ok(tooltip(59_000, '!'.repeat(1e6)).length < 100_000);
  assert.doesNotMatch(tooltip(70_000, 'a'), /data:/);
});

test('sizes are in powers of 1000 with three digits', () => {
  assert.deepEqual(
    [0, 999, 1000, 999_499, 999_600, 12_441_000, 2.5e9].map(bytes => sizeText(bytes, 'en')),
    ['0 bytes', '999 bytes', '1 kB', '999 kB', '1 MB', '12.4 MB', '2.5 GB'],
  );
});

test('the time is the hour today, else the day; a run that says no time has none', () => {
  const now = new Date(2026, 10, 21, 18, 0);
  const at = (...date: [number, number, number, number, number]): string =>
    timeText(new Date(...date).toISOString(), now, 'en-GB');
  assert.equal(at(2026, 10, 21, 9, 5), '09:05');
  assert.equal(at(2026, 10, 20, 9, 5), '20 Nov');
  assert.equal(at(2025, 10, 21, 9, 5), '21 Nov 2025');
  assert.equal(timeText('yesterday', now, 'en'), '');
});

test('a new name keeps the ending of traces, typed or not', () => {
  assert.equal(traceFileName(' moose '), 'moose.fovea');
  assert.equal(traceFileName('moose.FOVEA'), 'moose.fovea');
  assert.equal(traceFileName('v1.2'), 'v1.2.fovea');
});

test('names that some system refuses, that clash or that hide something are refused', () => {
  const problem = (name: string): string | undefined =>
    nameProblem(name, 'old.fovea', ['old.fovea', 'Taken.fovea', 'é.fovea']);
  assert.equal(problem('good name (2) – 長🦌'), undefined);
  assert.equal(problem('old'), undefined);
  assert.equal(problem('OLD'), undefined);
  for (const name of ['', '  ', '.fovea']) assert.equal(problem(name), 'empty', name);
  for (const name of ['a/b', 'a\\b', '../a', 'C:a', 'a*', 'a\u0007b', 'a\u202eb'])
    assert.equal(problem(name), 'characters', name);
  for (const name of ['..', '.hidden', 'a.', 'a .fovea']) assert.equal(problem(name), 'ending', name);
  for (const name of ['con', 'NUL', 'com1.backup', 'Lpt9']) assert.equal(problem(name), 'reserved', name);
  assert.equal(problem('console'), undefined);
  for (const name of ['taken', 'TAKEN.fovea', 'e\u0301']) assert.equal(problem(name), 'taken', name);
  assert.equal(problem('x'.repeat(241)), undefined);
  assert.equal(problem('x'.repeat(242)), 'long');
  assert.equal(problem('長'.repeat(81)), 'long');
});

test('a thumbnail becomes a file only with a real digest and the bytes of a picture', () => {
  const digest = 'a0'.repeat(32);
  assert.ok(isDigest(digest));
  for (const bad of ['', '../../x', digest.toUpperCase(), `${digest}0`, `${digest}\n`]) assert.ok(!isDigest(bad), bad);
  assert.equal(digestOfThumbnail(`${digest}.webp`), digest);
  for (const bad of [`${digest}.svg`, `${digest}.webp.partial`, 'x.webp', digest])
    assert.equal(digestOfThumbnail(bad), undefined);
  const webp = Buffer.from('RIFF\u0000\u0000\u0000\u0000WEBPVP8 ', 'latin1');
  assert.equal(pictureKind(webp)?.mime, 'image/webp');
  assert.equal(pictureKind(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0))?.ending, 'jpg');
  assert.equal(pictureKind(readFileSync(path.join(root, 'media/icons/fovea.png')))?.ending, 'png');
  assert.equal(pictureKind(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')), undefined);
  assert.equal(pictureKind(Buffer.concat([webp, Buffer.alloc(mostThumbnailBytes)])), undefined);
  assert.equal(pictureKind(new Uint8Array()), undefined);
});

test('every sample has a describing question and a picture; each time another is taken until all were', () => {
  const folder = path.join(root, 'media/samples');
  const samples = describingSamples(readFileSync(path.join(folder, 'questions.json'), 'utf8'));
  assert.equal(samples.length, 15);
  for (const { file } of samples) assert.ok(existsSync(path.join(folder, file)), file);
  assert.deepEqual(samples[0], { file: 'scene-01.png', question: 'Describe the image.' });
  assert.equal(nextSample(samples, new Set())?.file, 'scene-01.png');
  const [first, second, third] = samples.map(({ file }) => file);
  assert.equal(nextSample(samples, new Set([first!, second!]))?.file, third);
  assert.equal(nextSample(samples, new Set(samples.map(({ file }) => file)))?.file, 'scene-01.png');
  assert.equal(nextSample([], new Set()), undefined);
});

test('the view stands in its own container with an icon of one colour, and both its welcomes are about that view', () => {
  const { contributes } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    contributes: {
      viewsContainers: { activitybar: { id: string; icon: string }[] };
      views: Record<string, { id: string; icon: string }[]>;
      viewsWelcome: { view: string; when: string; contents: string }[];
      menus: Record<string, { command: string; when: string }[]>;
    };
  };
  const [container] = contributes.viewsContainers.activitybar;
  const [view] = contributes.views[container?.id ?? ''] ?? [];
  const source = readFileSync(path.join(root, 'extension/runs/view/runs-view.ts'), 'utf8');
  assert.ok(source.includes(`runsViewId = '${view?.id ?? ''}'`));
  for (const icon of [container?.icon ?? '', view?.icon ?? '']) {
    const svg = readFileSync(path.join(root, icon), 'utf8');
    assert.match(svg, /viewBox="0 0 24 24"/);
    assert.deepEqual(
      [...svg.matchAll(/(?:fill|stroke)="([^"]+)"/g)].map(match => match[1]),
      ['currentColor'],
    );
  }
  assert.equal(contributes.viewsWelcome.length, 2);
  for (const { view: shown } of contributes.viewsWelcome) assert.equal(shown, view?.id);
  for (const [menu, items] of Object.entries(contributes.menus)) {
    if (menu.startsWith('view/'))
      for (const { when } of items) assert.ok(when.startsWith(`view == ${view?.id ?? ''}`), when);
    for (const { command, when } of items) {
      if (/analyze/.test(command)) assert.match(when, /isWorkspaceTrusted/, `${menu}: ${command}`);
    }
  }
});
