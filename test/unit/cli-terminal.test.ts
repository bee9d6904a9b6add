import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAnalyzeOptions } from '../../native/cli/analyze-options.ts';
import { drawPicture, drawShades, heatPicture, magma, shrink } from '../../native/cli/half-blocks.ts';
import { keptMap } from '../../native/cli/method-summary.ts';
import { progressText } from '../../native/cli/progress-line.ts';
import {
  colourDepth,
  colourParameters,
  displayWidth,
  printable,
  TextStyle,
  wrapText,
} from '../../native/cli/terminal.ts';

const terminal = (bits: number) => ({ isTTY: true, columns: 80, getColorDepth: () => bits });

test('colours follow NO_COLOR, then FORCE_COLOR, then the terminal', () => {
  assert.equal(colourDepth(terminal(24), {}), 24);
  assert.equal(colourDepth(terminal(8), {}), 8);
  assert.equal(colourDepth(terminal(4), {}), 1);
  assert.equal(colourDepth({}, {}), 1);
  assert.equal(colourDepth({}, { FORCE_COLOR: '3' }), 24);
  assert.equal(colourDepth({}, { FORCE_COLOR: '' }), 8);
  assert.equal(colourDepth(terminal(24), { FORCE_COLOR: '0' }), 1);
  assert.equal(colourDepth(terminal(24), { FORCE_COLOR: '3', NO_COLOR: '1' }), 1);
  assert.equal(colourDepth(terminal(24), { NO_COLOR: '' }), 24);
  assert.equal(new TextStyle(false).bold('x'), 'x');
  assert.equal(new TextStyle(true).bold('x'), '\u001b[1mx\u001b[22m');
});

test('a colour becomes the nearest of the palette where there are only 256', () => {
  assert.equal(colourParameters([1, 2, 3], 24), '2;1;2;3');
  assert.equal(colourParameters([0, 0, 0], 8), '5;16');
  assert.equal(colourParameters([255, 0, 0], 8), '5;196');
  assert.equal(colourParameters([90, 132, 178], 8), '5;67');
  assert.equal(colourParameters([128, 128, 128], 8), '5;244');
});

test('two rows of pixels are one line of half blocks; an odd last row has no ground', () => {
  const colours = [
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
  ] as const;
  const lines = drawPicture({ width: 1, height: 3, pixel: (_, y) => colours[y]! }, 24);
  assert.deepEqual(lines, ['\u001b[38;2;255;0;0;48;2;0;255;0m▀\u001b[0m', '\u001b[38;2;0;0;255;49m▀\u001b[0m']);
});

test('maps run from black to pale yellow, and in shades where there is no colour', () => {
  assert.ok(magma(0).every(value => value < 8));
  assert.ok(magma(1)[0] > 245 && magma(2)[1] === magma(1)[1]);
  const heat = heatPicture(Float32Array.of(0, 1, 2, 4), 2, 4, 2);
  assert.deepEqual([heat.width, heat.height], [4, 4]);
  assert.deepEqual(heat.pixel(3, 3), magma(1));
  assert.deepEqual(heat.pixel(1, 1), magma(0));
  assert.deepEqual(drawShades(Float32Array.of(0, 1, 2, 4), 2, 4), ['  ░░', '▒▒██']);
});

test('a map of kept patches has two rows a line, an odd last row included', () => {
  assert.deepEqual(keptMap(Uint8Array.of(1, 0, 1, 1, 1, 0, 1, 0, 0), 3), ['█▄▀', '▀··']);
});

test('a picture is shrunk by averaging', () => {
  const rgb = Uint8Array.of(0, 0, 0, 100, 100, 100, 50, 50, 50, 250, 10, 90);
  assert.deepEqual(shrink(rgb, { width: 4, height: 1 }, 2, 1).pixel(0, 0), [50, 50, 50]);
  assert.deepEqual(shrink(rgb, { width: 4, height: 1 }, 2, 1).pixel(1, 0), [150, 30, 70]);
});

test('widths count columns, and text wraps by them', () => {
  assert.equal(displayWidth('abc'), 3);
  assert.equal(displayWidth('漢字🦊'), 6);
  assert.equal(displayWidth('\u001b[1mé\u001b[22m'), 1);
  assert.deepEqual(wrapText('a bb ccc dddd', 6), ['a bb', 'ccc', 'dddd']);
  assert.deepEqual(wrapText('漢字 漢字', 6), ['漢字', '漢字']);
});

test('an answer cannot steer the terminal', () => {
  assert.equal(printable('a\u001b[2Jb\nc\u202Ed'), 'a·[2Jb⏎c·d');
});

test('the progress line fits the terminal and shows the end of the answer', () => {
  const style = new TextStyle(false);
  const line = progressText({ stage: 'decode', done: 32, total: 64, text: 'word '.repeat(40) }, 1.25, 80, style);
  assert.ok(displayWidth(line) < 80, line);
  assert.match(line, /^answering .*━{10}─{10} {2}32\/64 .* 1\.3 s .*…[ord w]+$/);
  assert.match(progressText({ stage: 'load', done: 0, total: 0 }, 0, 80, style), /^loading the model +─{20} +0\.0 s$/);
});

test('options become a request; the trace is named after the image and the time', () => {
  const now = new Date(2026, 0, 2, 3, 4, 5);
  const { request } = parseAnalyzeOptions(['pictures/a cat.jpg', 'What?', '--threads', '3', '--device', 'CPU'], now);
  assert.match(request.tracePath, /^fovea-runs[/\\]a cat-20260102-030405\.fovea$/);
  assert.deepEqual(request.sampling, { mode: 'greedy' });
  assert.deepEqual([request.threads, request.device, request.maxNewTokens], [3, 'cpu', 64]);
  const sampling = (...words: string[]) => parseAnalyzeOptions(['a.png', '-q', 'b', ...words]).request.sampling;
  assert.deepEqual(sampling('--temperature', '0.7', '--seed', '9'), {
    mode: 'sample',
    temperature: 0.7,
    topP: 1,
    seed: 9,
  });
  assert.deepEqual(sampling('--top-p', '0.9'), { mode: 'sample', temperature: 1, topP: 0.9, seed: 0 });
  assert.deepEqual(sampling('--temperature', '0', '--top-p', '0.9'), { mode: 'greedy' });
  assert.deepEqual(sampling('--seed=-4'), { mode: 'sample', temperature: 1, topP: 1, seed: -4 });
  for (const [name, value] of [
    ['--temperature', '-1'],
    ['--temperature', 'warm'],
    ['--top-p', '0'],
    ['--seed', '1.5'],
    ['--threads', '1e9x'],
    ['--max-new-tokens', '0'],
  ]) {
    assert.throws(() => parseAnalyzeOptions(['a.png', 'b', `${name}=${value}`]), new RegExp(`${name} is "${value}"`));
  }
  assert.throws(() => parseAnalyzeOptions(['a.png', 'b', '-q', 'c']), /given twice/);
  assert.throws(() => parseAnalyzeOptions(['a.png', 'what', 'is']), /"is" is one word too many/);
  assert.throws(() => parseAnalyzeOptions(['a.png']), /No question is asked/);
  assert.throws(() => parseAnalyzeOptions([]), /No image is named/);
  assert.throws(() => parseAnalyzeOptions(['a.png', 'b', '--device', 'abacus']), /no device "abacus"/);
});
