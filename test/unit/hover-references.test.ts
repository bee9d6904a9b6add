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

interface CountedLine {
  readonly line: string;
  /** Characters that were handed out so far. */
  readonly read: () => number;
}

/** A line that counts what is read of it: characters by index, parts, and itself when a pattern runs over all of it. */
function counted(text: string): CountedLine {
  let read = 0;
  const handOut = (part: string): string => {
    read += part.length;
    return part;
  };
  const counting = new Proxy(Object(text) as object, {
    get(_, key) {
      if (key === 'length') return text.length;
      if (typeof key === 'string' && /^-?\d+$/.test(key)) return handOut(text[Number(key)] ?? '') || undefined;
      if (key === 'slice') return (from?: number, to?: number) => handOut(text.slice(from, to));
      if (key === 'matchAll') return (pattern: RegExp) => handOut(text).matchAll(pattern);
      if (key === Symbol.toPrimitive) return () => handOut(text);
      throw new Error(`"${String(key)}" of the line is not counted.`);
    },
  });
  return { line: counting as unknown as string, read: () => read };
}

/** Each is a pattern that some way of reading would go over again and again. */
const hostile: readonly ((size: number) => string)[] = [
  size => '"'.repeat(size),
  size => '('.repeat(size),
  size => '.png'.repeat(size / 4),
  size => '.png"'.repeat(size / 5),
  size => '\\"'.repeat(size / 2) + 'a.png"',
  size => '\\".png\''.repeat(size / 7),
  size => '(.png)'.repeat(size / 6),
  size => '![](a.png '.repeat(size / 10),
  size => '{a.png}'.repeat(size / 7),
  size => 'a.png '.repeat(size / 6),
  size => '\\includegraphics['.repeat(size / 17),
  size => `\\includegraphics${' '.repeat(size)}`,
  size => '[a]('.repeat(size / 4) + 'x.png)',
  size => `<${' '.repeat(size)}.png>`,
  size => `<a.png>${' '.repeat(size)}`,
];
const languages = ['markdown', 'python', 'latex', 'yaml'];

test('every further part of a line costs the same, however long the line is, hostile ones included', () => {
  const readOf = (text: string, language: string): number => {
    const { line, read } = counted(text);
    imageReferences(line, language);
    return read();
  };
  for (const make of hostile) {
    for (const language of languages) {
      const [one, two, three] = [1, 2, 3].map(parts => readOf(make(parts * 6000), language)) as [
        number,
        number,
        number,
      ];
      // Were it quadratic, the third part would cost five thirds of the second.
      assert.ok(
        two > one && three - two <= 1.02 * (two - one) + 100,
        `${language} ${make(20)}: ${one}, ${two}, ${three}`,
      );
    }
  }
});

test('a hover reads four kilobytes of a line, however long it is', () => {
  for (const make of hostile) {
    for (const language of languages) {
      const { line, read } = counted(make(100_000));
      imageReferenceAt(line, 50_000, language);
      assert.ok(read() <= 4096, `${language} ${make(20)}: ${read()}`);
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
