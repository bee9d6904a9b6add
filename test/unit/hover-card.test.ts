import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { interpolateMagma } from 'd3';
import { cardLimit, hoverCard, type CardOptions } from '../../extension/hover/hover-card.ts';
import { firstFile, ImageDigests } from '../../extension/hover/image-digests.ts';
import { runsOfReference } from '../../extension/hover/image-runs.ts';
import { shortened } from '../../extension/hover/shortened.ts';
import { plainMarkdown } from '../../extension/plain-words.ts';
import { readRunDetails, RunDetailsCache, type RunDetails } from '../../extension/hover/run-details.ts';
import { shade } from '../../extension/hover/shade.ts';
import { RunIndex, type RunSummary } from '../../extension/runs/run-index.ts';
import { readRunSummary } from '../../extension/runs/run-summary.ts';
import { TraceError } from '../../trace/errors.ts';
import { writeTraceFile } from '../../trace/file.ts';
import { toHalf } from '../../trace/half.ts';
import type { RunMetadata } from '../../trace/schema.ts';
import { bytesOf, type TraceTensors } from '../../trace/writer.ts';
import { makeNewer, smallRun, smallTensors } from '../fixtures/small-run.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-card-'));
});
after(() => rm(folder, { recursive: true }));

const picture = (bytes: number) => ({ uri: `data:image/webp;base64,${'A'.repeat(bytes)}`, width: 200, height: 100 });
const overlay = (bytes: number) =>
  ({ ...picture(bytes), layer: 9, heads: 'mean', maximum: 0.2793, modelHeads: 6 }) as const;
const details: RunDetails = {
  answer: [
    { text: ' two', imageShare: 0.42 },
    { text: ' moose', imageShare: 0.84 },
  ],
  leftOut: 0,
  thumbnail: picture(100),
  overlay: overlay(100),
};

function card(options: Partial<CardOptions> = {}, metadata: Partial<RunSummary['metadata']> = {}): string {
  const { id, created, status, image, answer, method, prompt, model } = smallRun;
  const run: RunSummary = {
    path: '/runs/a.fovea',
    bytes: 1000,
    metadata: {
      ...{ id, created, status, image, answer, method, question: prompt.question },
      model: { name: model.name, bundled: model.bundled },
      totalMilliseconds: 10,
      tokens: { text: 5, generated: 2 },
      ...metadata,
    },
  };
  return hoverCard({
    run,
    details,
    links: [{ label: 'Open', target: 'command:fovea.openTrace?%5B1%5D' }],
    withThumbnail: true,
    locale: 'en',
    now: new Date(created),
    translate: (text, ...values) => text.replace(/\{(\d)\}/g, (_, index: string) => values[Number(index)] ?? ''),
    ...options,
  });
}

const words = (text: string): string =>
  text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));

test('the card says answer, model, time, method, question and scales, and offers its links', () => {
  const text = words(card());
  assert.match(
    text,
    /^\*\*two\*\* small, today \d\d:\d\d.*, no pruning {2}\n_What\?_ {2}\n\[Open\]\(command:fovea\.openTrace\?%5B1%5D\)\n/,
  );
  assert.match(text, /shade: attention on the image, 0 to 84%, mean of layers and heads/);
  assert.match(text, /attention of the answer, layer D9, mean of 6 heads, probability 0 to 0\.28/);
  assert.match(words(card({}, { method: { name: 'fastv', parameters: {} } })), /, fastv {2}\n/);
  assert.match(words(card({ now: new Date('2026-12-24') })), /small, Nov 2\d, 2026 \d\d:\d\d/);
});

/** What VS Code's sanitizer keeps: anything else it would drop, and the colours or pictures with it. */
test('spans and images have the exact form that the renderer keeps', () => {
  const text = card();
  const spans = [...text.matchAll(/<span[^>]*>/g)].map(([tag]) => tag);
  assert.equal(spans.length, 2);
  for (const tag of spans) {
    assert.match(tag, /^<span style="color:#[0-9a-f]{6};background-color:#[0-9a-f]{6};">$/);
  }
  // The stronger half of the scale differs from its top.
  assert.notEqual(spans[0], spans[1]);
  const images = [...text.matchAll(/<img[^>]*>/g)].map(([tag]) => tag);
  assert.equal(images.length, 2);
  for (const tag of images) {
    assert.match(tag, /^<img src="data:image\/webp;base64,A+" width="200" height="100" alt="[^"<>]+">$/);
  }
  assert.equal(text.replaceAll(/<\/?span[^>]*>|<img[^>]*>/g, '').includes('<'), false);
});

test('over the limit, the thumbnail goes first, then the overlay, then the colours', () => {
  const images = (text: string): number => text.match(/<img/g)?.length ?? 0;
  const spans = (text: string): number => text.match(/<span/g)?.length ?? 0;
  const many = { ...details, answer: Array.from({ length: 240 }, () => ({ text: ' word', imageShare: 0.5 })) };
  const cases = [
    [details, 2, 2],
    [{ ...details, thumbnail: picture(30_000), overlay: overlay(18_000) }, 1, 2],
    [{ ...many, thumbnail: picture(16_000), overlay: overlay(18_700) }, 1, 240],
    [{ ...many, overlay: overlay(39_000) }, 0, 240],
    [{ ...many, answer: [...many.answer, ...many.answer, ...many.answer], overlay: overlay(18_000) }, 0, 0],
    [{ ...details, answer: [{ text: '<'.repeat(50_000), imageShare: 1 }] }, 0, 0],
  ] as const;
  for (const [shown, pictures, coloured] of cases) {
    const text = card({ details: shown });
    assert.deepEqual([images(text), spans(text)], [pictures, coloured]);
    assert.ok(text.length < cardLimit, `${text.length} characters`);
  }
  const everything = '!'.repeat(100_000);
  const worst = card(
    { details: { ...many, overlay: overlay(90_000) } },
    {
      question: everything,
      answer: everything,
      model: { name: everything, bundled: false },
      method: { name: everything, parameters: {} },
    },
  );
  assert.ok(worst.length < cardLimit, `${worst.length} characters`);
});

test('the thumbnail stands beside the overlay only where asked, and alone where there is no overlay', () => {
  const images = (options: Partial<CardOptions>): number => card(options).match(/<img/g)?.length ?? 0;
  const { overlay: _, ...without } = details;
  assert.equal(images({ withThumbnail: false }), 1);
  assert.equal(images({ withThumbnail: false, details: without }), 1);
  assert.equal(images({ details: { answer: [], leftOut: 0 } }), 0);
});

const hostile = [
  '<script>alert(1)</script><img src=x onerror=alert(1)>',
  '**bold** _it_ `code` ~~gone~~ # head\n\n---\n| a | b |\n|---|---|\n> quote\n1. one\n- two',
  '[click](command:workbench.action.terminal.new) ![x](https://example.com/a.png)',
  'https://example.com www.example.com mailto:a@example.com',
  '$(trash) $(loading~spin) &lt;b&gt; &#60; &amp;',
  '"></span><span style="color:red;">',
  '\u202egnp.exe\u2066 \u200fx \u061c',
  'emoji 👨‍👩‍👧 and \ud800 half \udc00, nul \0 and bell \u0007, شكرا',
  '```js\nalert(1)\n```',
  '\\*escaped\\* \\<b\\>',
];

test('hostile text arrives letter by letter, without a single character that Markdown or HTML reads', () => {
  for (const text of hostile) {
    const plain = plainMarkdown(text);
    const rest = plain.replace(/&#\d+;/g, '');
    assert.doesNotMatch(rest, /[!-+\-./:-@[-`{-~]/, text);
    assert.doesNotMatch(plain, /[\n\r\0\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]|\p{Surrogate}/u, text);
    const answer = [{ text, imageShare: 0.5 }];
    const shown = card(
      { details: { ...details, answer } },
      { question: text, answer: text, model: { name: text, bundled: false } },
    );
    assert.equal(shown.match(/<(?!\/?span[ >]|img )/g), null, text);
    assert.equal(shown.match(/\]\(/g)?.length, 1, text);
  }
  assert.equal(words(plainMarkdown(hostile[0]!)), hostile[0]);
  assert.equal(plainMarkdown('شكرا 👨‍👩‍👧, ok 3'), 'شكرا 👨‍👩‍👧, ok 3');
});

test('text is shortened between characters as people count them', () => {
  assert.equal(shortened('abc', 3), 'abc');
  assert.equal(shortened('abcd', 3), 'abc…');
  assert.equal(shortened('👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧', 2), '👨‍👩‍👧👨‍👩‍👧…');
  assert.ok(shortened(`a${'\u0301'.repeat(10_000)}`, 5).length <= 201);
});

const webp = Buffer.concat([Buffer.from('RIFF\0\0\0\0WEBPVP8 '), Buffer.alloc(20)]);
const pictures: TraceTensors = {
  'image.thumbnail': { dtype: 'U8', shape: [webp.length], data: webp },
  'hover.answer_overlay': { dtype: 'U8', shape: [webp.length], data: webp },
};

test('the share of a token is the mean of layers and heads in the row that predicts it', async () => {
  const path = join(folder, 'shares.fovea');
  const mass = new Float32Array(4 * 2 * 2 * 5);
  // Row 2 predicts the first token of the answer: 0.1, 0.2, 0.3, 0.8 on the image.
  [0.1, 0.2, 0.3, 0.8].forEach((share, cell) => {
    mass[(2 * 4 + cell) * 5] = share;
    mass[(2 * 4 + cell) * 5 + 1] = 1 - share;
  });
  const tensors = { ...smallTensors(), ...pictures };
  await writeTraceFile(path, smallRun, {
    ...tensors,
    'decoder.attention_mass': { dtype: 'F32', shape: [4, 2, 2, 5], data: bytesOf(mass) },
  });
  const { answer, leftOut, overlay: found, thumbnail } = await readRunDetails(path);
  assert.deepEqual([answer.length, leftOut], [1, 0], 'the end of the sequence is no word of the answer');
  assert.equal(answer[0]?.text, ' two');
  assert.ok(Math.abs(answer[0].imageShare - 0.35) < 1e-6);
  assert.equal(thumbnail?.uri, `data:image/webp;base64,${webp.toString('base64')}`);
  assert.deepEqual([found?.width, found?.height, found?.layer, found?.modelHeads], [200, 133, 1, 2]);
});

test('an answer of a thousand tokens is read and shown as its beginning', async () => {
  const path = join(folder, 'long.fovea');
  const generated = Array.from({ length: 1000 }, (_, index) => ({
    ...{ id: 5, text: ' word', role: 'generated' as const, logprob: -1, alternatives: [] },
    position: 9 + index,
  }));
  const run: RunMetadata = {
    ...smallRun,
    tokens: [...smallRun.tokens.slice(0, 3), ...generated],
    generation: { ...smallRun.generation, stop: 'length' },
  };
  const rows = run.tokens.length - 1;
  const zeros = (...shape: number[]) => toHalf(new Float32Array(shape.reduce((a, b) => a * b)));
  await writeTraceFile(path, run, {
    ...smallTensors(),
    'decoder.attention_to_image': { dtype: 'F16', shape: [rows, 2, 2, 6], data: bytesOf(zeros(rows, 2, 2, 6)) },
    'decoder.attention_to_text': { dtype: 'F16', shape: [rows, 2, rows + 1], data: bytesOf(zeros(rows, 2, rows + 1)) },
    'decoder.attention_mass': { dtype: 'F32', shape: [rows, 2, 2, 5], data: new Uint8Array(rows * 80) },
  });
  const found = await readRunDetails(path);
  assert.deepEqual([found.answer.length, found.leftOut], [240, 760]);
  assert.match(words(card({ details: found })), /… 760 more tokens/);
});

test('pictures of an unknown type, and traces without pictures, give a card without them', async () => {
  const path = join(folder, 'odd.fovea');
  await writeTraceFile(path, smallRun, smallTensors());
  const odd = await readRunDetails(path);
  assert.deepEqual([odd.thumbnail, odd.overlay], [undefined, undefined]);
  const { hover: _, ...old } = smallRun;
  const { 'image.thumbnail': _thumbnail, 'hover.answer_overlay': _overlay, ...tensors } = smallTensors();
  await writeTraceFile(path, old, tensors);
  assert.equal((await readRunDetails(path)).overlay, undefined);
  await truncate(path, 100);
  await assert.rejects(readRunDetails(path));
});

test('a renamed copy finds the run, a file of the same size and other files do not', async () => {
  const runs = join(folder, 'runs');
  const images = join(folder, 'images');
  for (const each of [runs, images, join(images, 'a.png')]) await mkdir(each, { recursive: true });
  const bytes = Buffer.from('the bytes of an image');
  await writeFile(join(images, 'original.png'), bytes);
  await copyFile(join(images, 'original.png'), join(images, 'renamed copy.jpg'));
  await writeFile(join(images, 'same size.png'), Buffer.from('THE BYTES OF AN IMAGE'));
  await writeFile(join(images, 'other.png'), 'other');
  const digest = createHash('sha256').update(bytes).digest('hex');
  const image = { ...smallRun.image, digest, bytes: bytes.length };
  await writeTraceFile(join(runs, 'run.fovea'), { ...smallRun, image }, smallTensors());
  const index = new RunIndex(() => [runs], { debug: () => undefined });
  const digests = new ImageDigests();
  const place = { folder: images, roots: [], language: 'markdown' };
  const count = async (text: string): Promise<number | undefined> =>
    (await runsOfReference(text, place, index, digests))?.runs.length;
  assert.equal(await count('original.png'), 1);
  assert.equal(await count('renamed%20copy.jpg'), 1);
  assert.equal(await count('same size.png'), 0);
  assert.equal(await count('other.png'), 0);
  assert.equal(await count('missing.png'), undefined);
  assert.equal(await count('a.png'), undefined, 'a folder');
  // Changed in place: its old digest is not used again.
  await writeFile(join(images, 'original.png'), Buffer.from('THE BYTES OF AN IMAGE'));
  assert.equal(await count('original.png'), 0);
  index.dispose();
});

test('a file of 300 MB is not read', async () => {
  const path = join(folder, 'large.png');
  await writeFile(path, '');
  await truncate(path, 300_000_000);
  assert.equal(await firstFile([path]), undefined);
});

test('shades are magma as d3 draws it, and text on them has a contrast of 4.5', () => {
  const channels = (hex: string): number[] => [1, 3, 5].map(start => Number.parseInt(hex.slice(start, start + 2), 16));
  const luminance = (hex: string): number => {
    const [red, green, blue] = channels(hex).map(value => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  for (let t = 0; t <= 1; t += 1 / 256) {
    const { ground, ink } = shade(t);
    const expected = channels(interpolateMagma(t));
    const miss = Math.max(...channels(ground).map((value, channel) => Math.abs(value - expected[channel]!)));
    assert.ok(miss <= 4, `${t}: ${ground} misses ${interpolateMagma(t)} by ${miss}`);
    const [low, high] = [luminance(ground), luminance(ink)].sort((a, b) => a - b) as [number, number];
    assert.ok((high + 0.05) / (low + 0.05) >= 4.5, `${t}: ${ink} on ${ground}`);
  }
  assert.deepEqual(shade(NaN), shade(0));
});

test('a folder or a pipe that is called like a picture is passed over without waiting', async () => {
  const named = join(folder, 'folder.png');
  await mkdir(named);
  assert.equal(await firstFile([named]), undefined);
  if (process.platform === 'win32') return;
  const pipe = join(folder, 'pipe.png');
  execFileSync('mkfifo', [pipe]);
  const real = join(folder, 'real.png');
  await writeFile(real, 'x');
  assert.equal((await firstFile([named, pipe, real]))?.path, real);
});

test('details of a trace that vanished, was cut off or is newer fail at once, and are read again later', async () => {
  const path = join(folder, 'passing.fovea');
  await writeTraceFile(path, smallRun, smallTensors());
  const run = await readRunSummary(path);
  const cache = new RunDetailsCache();
  await rm(path);
  await assert.rejects(cache.get(run), /ENOENT/);
  await writeTraceFile(path, smallRun, smallTensors());
  await truncate(path, 500);
  await assert.rejects(cache.get(run), TraceError);
  await writeTraceFile(path, smallRun, smallTensors());
  await makeNewer(path);
  await assert.rejects(cache.get(run), /Update Fovea/);
  await writeTraceFile(path, smallRun, smallTensors());
  assert.equal((await cache.get(run)).answer[0]?.text, ' two');
});
