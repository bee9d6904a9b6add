import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imageReferenceAt, imageReferences } from '../../extension/hover/image-references.ts';
import { referencePaths } from '../../extension/hover/reference-paths.ts';

const texts = (line: string, language: string): string[] => imageReferences(line, language).map(({ text }) => text);

test('paths are found in the forms in which each language writes them', () => {
  const cases: readonly (readonly [language: string, line: string, ...found: string[]])[] = [
    ['markdown', '![moose](samples/scene-04.png)', 'samples/scene-04.png'],
    ['markdown', 'see ![a](<with space.png> "title") and [b](b.jpg)', 'with space.png', 'b.jpg'],
    ['markdown', '![a](a.png "the title")', 'a.png'],
    ['markdown', "![a](a.png 'the title')", 'a.png'],
    ['markdown', '![a](a%20b.png?raw=true#top)', 'a%20b.png?raw=true#top'],
    ['markdown', '![a](with space.png)', 'with space.png'],
    ['markdown', '![a](wiki/Moose_(animal).png)', 'wiki/Moose_(animal).png'],
    ['markdown', '[ref]: ../pictures/a.webp', '../pictures/a.webp'],
    ['markdown', 'Look at `a.png`, b.gif; and c.tiff.', 'a.png', 'b.gif', 'c.tiff'],
    ['markdown', '[![badge](a.png)](b.png)', 'a.png', 'b.png'],
    ['markdown', '<img src="x y.png" width=20>', 'x y.png'],
    ['html', '<img src="a.png?v=2" alt=\'b.png\'>', 'a.png?v=2', 'b.png'],
    ['html', '<img src=a.png><img src = pic/b.JPEG >', 'a.png', 'pic/b.JPEG'],
    ['html', '<div style="background: url(a.png)">', 'a.png'],
    ['python', 'image = Image.open("a b.png")  # not this.png', 'a b.png'],
    ['python', "load(r'C:\\data\\a.png')", 'C:\\data\\a.png'],
    ['python', `it = "don't"; x = 'a.png'`, 'a.png'],
    ['json', '{"image": "a.png", "other": "b\\/c.jpg"}', 'a.png', 'b\\/c.jpg'],
    ['jsonl', '{"text": "{\\"image\\": \\"in/side.png\\"}"}', 'in/side.png'],
    ['jsonl', '{"image": "a.png", "answer": "an a.png file"}', 'a.png'],
    ['yaml', 'image: with space.png # comment', 'with space.png'],
    ['yaml', '  - pictures/a.png', 'pictures/a.png'],
    ['yaml', 'image: "a b.png"', 'a b.png'],
    ['yaml', 'image: {path: a.png, other: b.png}', 'a.png', 'b.png'],
    ['yaml', 'images: [a.png, b.png]', 'a.png', 'b.png'],
    ['latex', '\\includegraphics[width=\\textwidth]{fig/a b.png}', 'fig/a b.png'],
    ['latex', '\\includegraphics[width=3cm]{fig/scene}', 'fig/scene'],
    ['latex', '\\includegraphics{a.png}\\includegraphics{b}', 'a.png', 'b'],
  ];
  for (const [language, line, ...found] of cases)
    assert.deepEqual(texts(line, language), found, `${language}: ${line}`);
});

test('other text is no reference', () => {
  for (const [language, line] of [
    ['python', 'model.png_size = 3'],
    ['python', 'picture.png'],
    ['json', '{"a.pngx": 1, "b": ".png-file"}'],
    ['markdown', '.png and ".jpg"x'],
    ['markdown', 'a.pdf, b.txt, svg, apng'],
    ['yaml', '# image: a comment'],
    ['latex', '\\includegraphics{}'],
    ['markdown', ''],
  ] as const) {
    const found = texts(line, language).filter(text => !/^\.\w+$/.test(text));
    assert.deepEqual(found, [], `${language}: ${line}`);
  }
});

test('a hover answers on the reference under the cursor and nowhere else', () => {
  const line = 'So: ![moose](a.png "t") or "b.png".';
  const at = (column: number): string | undefined => imageReferenceAt(line, column, 'markdown')?.text;
  assert.equal(at(0), undefined);
  assert.equal(at(line.indexOf('!')), 'a.png');
  assert.equal(at(line.indexOf('moose')), 'a.png');
  assert.equal(at(line.indexOf('"t"')), 'a.png');
  assert.equal(at(line.indexOf(' or') + 1), undefined);
  assert.equal(at(line.indexOf('b.png')), 'b.png');
  assert.equal(at(line.length), undefined);
});

test('ranges are columns of the line, also far to the right', () => {
  const line = `${'x'.repeat(50_000)} "a b.png" ${'y'.repeat(50_000)}`;
  const column = line.indexOf('b.png');
  const reference = imageReferenceAt(line, column, 'jsonl');
  assert.ok(reference);
  assert.equal(line.slice(reference.start, reference.end), 'a b.png');
  assert.equal(imageReferenceAt(line, 10, 'jsonl'), undefined);
});

test('lines of 100 kB are read in milliseconds, hostile ones included', () => {
  const size = 100_000;
  const lines = ['"'.repeat(size), '('.repeat(size), '.png'.repeat(size / 4), '.png"'.repeat(size / 5)];
  lines.push(
    '(.png)'.repeat(size / 6),
    '![](a.png '.repeat(size / 10),
    '{a.png}'.repeat(size / 7),
    'a.png '.repeat(size / 6),
  );
  lines.push('\\includegraphics['.repeat(size / 17), '[a]('.repeat(size / 4) + 'x.png)', `<${' '.repeat(size)}.png>`);
  for (const line of lines) {
    for (const language of ['markdown', 'python', 'latex', 'yaml']) {
      // Far above what is needed, and the best of three, since tests share a busy machine; quadratic time would take seconds.
      let [hover, all] = [Infinity, Infinity];
      for (let attempt = 0; attempt < 3 && !(hover < 100 && all < 1500); attempt++) {
        const started = performance.now();
        imageReferenceAt(line, size / 2, language);
        const found = performance.now();
        imageReferences(line, language);
        hover = Math.min(hover, found - started);
        all = Math.min(all, performance.now() - found);
      }
      assert.ok(hover < 100 && all < 1500, `${language} ${line.slice(0, 20)}: ${hover} and ${all} ms`);
    }
  }
});

const place = { folder: '/w/docs', roots: ['/w'], language: 'markdown' };

test('paths are tried beside the document, then in the workspace, as written, then decoded', () => {
  const posix = { skip: process.platform === 'win32' };
  if (posix.skip) return;
  assert.deepEqual(referencePaths('a.png', place), ['/w/docs/a.png', '/w/a.png']);
  assert.deepEqual(referencePaths('../b/./a.png', place), ['/w/b/a.png', '/b/a.png']);
  assert.deepEqual(referencePaths('a%20b.png', place), [
    '/w/docs/a%20b.png',
    '/w/a%20b.png',
    '/w/docs/a b.png',
    '/w/a b.png',
  ]);
  assert.deepEqual(referencePaths('/img/a.png', place), ['/img/a.png', '/w/img/a.png']);
  assert.deepEqual(referencePaths('a.png?raw=1#x', place), ['/w/docs/a.png', '/w/a.png']);
  assert.ok(referencePaths('a#1.png', place).includes('/w/docs/a#1.png'));
  assert.ok(referencePaths('100%.png', place).includes('/w/docs/100%.png'));
  assert.ok(referencePaths('img\\\\a.png', place).includes('/w/docs/img/a.png'));
  assert.ok(referencePaths('b\\/c.jpg', place).includes('/w/docs/b/c.jpg'));
  assert.ok(referencePaths('m\\u00f6\\u00f6se.png', place).includes('/w/docs/mööse.png'));
  assert.ok(referencePaths('a\\_b.png', place).includes('/w/docs/a_b.png'));
  assert.ok(referencePaths('a&amp;b.png', place).includes('/w/docs/a&b.png'));
  assert.ok(referencePaths('😀 حصان.png', place).includes('/w/docs/😀 حصان.png'));
  assert.deepEqual(referencePaths('file:///x/a%20b.png', place), ['/x/a b.png']);
  assert.deepEqual(referencePaths('a.png', { ...place, folder: undefined }), ['/w/a.png']);
});

test('LaTeX finds the ending by itself, other languages do not', () => {
  assert.deepEqual(referencePaths('fig/scene', place), []);
  if (process.platform === 'win32') return;
  const found = referencePaths('fig/scene', { folder: '/p', roots: [], language: 'latex' });
  assert.deepEqual(found, ['/p/fig/scene.png', '/p/fig/scene.jpg', '/p/fig/scene.jpeg']);
});

test('URLs, data, network shares and other systems are refused', () => {
  for (const text of [
    'http://example.com/a.png',
    'HTTPS://example.com/a.png',
    'data:image/png;base64,AAAA.png',
    'ftp://host/a.png',
    'vscode-remote://host/a.png',
    'javascript:a.png',
    '//server/share/a.png',
    '\\\\server\\share\\a.png',
    '\\\\\\\\server\\\\share\\\\a.png',
    '%2F%2Fserver/share/a.png',
    'file://server/share/a.png',
    'file:////server/share/a.png',
    'file:///%2Fserver/a%00.png',
    'a\0.png',
    'a%00.png',
    '',
    'folder/',
  ]) {
    const found = referencePaths(text, place).filter(each => /^[\\/]{2}/.test(each) || !each.includes('%'));
    assert.deepEqual(found, [], JSON.stringify(text));
  }
  if (process.platform !== 'win32') assert.deepEqual(referencePaths('C:\\data\\a.png', place), []);
});
