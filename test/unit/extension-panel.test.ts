import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { imagePathOf } from '../../extension/editor/image-of-trace.ts';
import { panelHtml } from '../../extension/editor/panel-html.ts';
import { parseToHost } from '../../extension/editor/panel-messages.ts';

test('messages of the contract pass unchanged', () => {
  for (const message of [
    { type: 'ready' },
    {
      type: 'slice',
      request: 3,
      run: 0,
      tensor: 'vision.rollout',
      ranges: [
        [0, 1],
        [2, 2],
      ],
    },
    { type: 'slice', request: 0, run: 2, tensor: 'image.display', ranges: [] },
    { type: 'compare', addresses: ['file:///runs/a.fovea', 'memfs:/b.fovea'] },
    { type: 'compare', addresses: [] },
    { type: 'command', command: 'askAgain' },
    { type: 'methods' },
    { type: 'runAgain', request: { method: 'fastv', parameters: {} } },
    { type: 'runAgain', request: { method: 'x', variant: 'paper', budget: 64, parameters: { layers: '1, 2' } } },
    { type: 'status', text: 'row 3, column 4' },
    { type: 'error', message: 'x is undefined' },
  ]) {
    assert.deepEqual(parseToHost(message), message);
  }
});

test('anything else from the webview is refused', () => {
  const slice = { type: 'slice', request: 1, run: 0, tensor: 'vision.rollout', ranges: [[0, 1]] };
  for (const message of [
    null,
    undefined,
    'ready',
    [],
    {},
    { type: 'run' },
    { type: 'command', command: 'workbench.action.quit' },
    { type: 'command', command: 'toString' },
    { type: 'runAgain' },
    { type: 'runAgain', request: { method: 5, parameters: {} } },
    { type: 'runAgain', request: { method: 'x', parameters: { layers: [1] } } },
    { type: 'runAgain', request: { method: 'x', parameters: {}, variant: 'mine' } },
    { type: 'runAgain', request: { method: 'x', parameters: {}, budget: -1 } },
    { type: 'status', text: 5 },
    { type: 'error' },
    { ...slice, request: -1 },
    { ...slice, request: 1.5 },
    { ...slice, run: undefined },
    { ...slice, run: -1 },
    { type: 'compare' },
    { type: 'compare', addresses: 'file:///a.fovea' },
    { type: 'compare', addresses: ['file:///etc/passwd'] },
    { type: 'compare', addresses: [5] },
    { type: 'compare', addresses: Array.from({ length: 9 }, (_, i) => `file:///${i}.fovea`) },
    { ...slice, tensor: '../../secrets' },
    { ...slice, tensor: 'toString' },
    { ...slice, ranges: undefined },
    { ...slice, ranges: [[0]] },
    { ...slice, ranges: [[2, 1]] },
    { ...slice, ranges: [[0, Number.POSITIVE_INFINITY]] },
    { ...slice, ranges: [[0, '1']] },
    { ...slice, ranges: Array.from({ length: 9 }, () => [0, 1]) },
  ]) {
    assert.equal(parseToHost(message), undefined, JSON.stringify(message));
  }
});

test('a long status line is cut, and unknown fields do not pass', () => {
  assert.deepEqual(parseToHost({ type: 'status', text: 'x'.repeat(9000), extra: 1 }), {
    type: 'status',
    text: 'x'.repeat(500),
  });
});

test('a trace is asked again only about an image file that it can name on this system', () => {
  const here = path.resolve('/pictures/a.png');
  assert.equal(imagePathOf({ image: { path: here } }), here);
  for (const found of [undefined, null, 5, {}, '', 'a.png', process.platform === 'win32' ? '' : 'C:\\a.png']) {
    assert.equal(imagePathOf({ image: { path: found } }), undefined, JSON.stringify(found));
  }
});

const page = panelHtml({
  cspSource: 'https://*.vscode-cdn.net',
  script: 'https://host/main.js',
  style: 'https://host/main.css',
  nonce: 'abc+/=',
  language: 'pt-br',
  title: 'Fovea: <b>"a&b"</b>.fovea',
});

test('the panel allows its own script by nonce, its own styles and images, and nothing else', () => {
  const [, policy = ''] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page) ?? [];
  assert.deepEqual(policy.split('; '), [
    "default-src 'none'",
    'img-src https://*.vscode-cdn.net blob: data:',
    'style-src https://*.vscode-cdn.net',
    'font-src https://*.vscode-cdn.net',
    "script-src 'nonce-abc+/='",
  ]);
  assert.match(page, /<script nonce="abc\+\/=" src="https:\/\/host\/main\.js"><\/script>/);
  assert.doesNotMatch(page, /<style|style=|unsafe/);
});

test('the panel names its language and title, and a file name cannot become markup', () => {
  assert.match(page, /<html lang="pt-br">/);
  assert.match(page, /<title>Fovea: &lt;b&gt;&quot;a&amp;b&quot;&lt;\/b&gt;\.fovea<\/title>/);
});
