import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { gunzipSync } from 'node:zlib';
import { parseReportOptions } from '../../native/cli/report-options.ts';
import { FoveaError } from '../../native/errors.ts';
import { packTrace, type PackedTrace } from '../../native/report/embedded-trace.ts';
import { escapeHtml, inlineCode, markup, plainLine, scriptJson } from '../../native/report/markup.ts';
import { analyzeLine, shellWord } from '../../native/report/reproduction.ts';
import { readContent } from '../../native/report/run-content.ts';
import { writeReport } from '../../native/report/write-report.ts';
import { decodeTensor, fromSteps, joinPlanes, splitPlanes, toSteps } from '../../trace/embedding.ts';
import { openTraceFile } from '../../trace/file.ts';
import type { TensorName } from '../../trace/schema.ts';
import { embeddedFile } from '../../trace/embedded-file.ts';
import { EmbeddedSource } from '../../webview/source/embedded-source.ts';
import { floatsOf } from '../../webview/source/floats.ts';
import { hostileRun, hostileTexts, writeHostileTrace } from '../fixtures/hostile-run.ts';

let folder = '';
let trace = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-report-'));
  trace = join(folder, 'hostile.fovea');
  await writeHostileTrace(trace);
});
after(() => rm(folder, { recursive: true, force: true }));

test('markup escapes what is put into it, and keeps markup', () => {
  const inner = markup`<b>${'<i>&"\''}</b>`;
  assert.equal(
    markup`<p title="${'"x'}">${inner}${[inner]}${3}</p>`.text.match(/&lt;i&gt;&amp;&quot;&#39;/g)?.length,
    2,
  );
  assert.equal(markup`<p title="${'"x'}"></p>`.text, '<p title="&quot;x"></p>');
});

test('a list out of a trace that looks like markup is text, too', () => {
  const forged = [{ text: '<meta http-equiv="refresh">' }, '<b>'] as unknown as string;
  assert.equal(markup`<p>${forged}</p>`.text, '<p>[object Object]&lt;b&gt;</p>');
});

test('control characters and halves of characters are shown instead of being lost', () => {
  assert.equal(escapeHtml('a\0\u001b\u007f\ud83d\u202e'), 'a\u2400\u241b\u2421\ufffd[U+202E]');
  assert.equal(plainLine('a\u202eb\u2066\nc'), 'ab c');
});

test('no text can end the element that data or code lies in', () => {
  for (const text of hostileTexts) {
    const json = scriptJson({ text }).text;
    assert.ok(!json.includes('<'), json);
    assert.deepEqual(JSON.parse(json), { text });
  }
  const code = 'const a = "</script>", b = "<!-- </STYLE>";';
  const inlined = inlineCode(code);
  assert.doesNotMatch(inlined, /<\/(script|style)|<!--/i);
  assert.equal(runInNewContext(`${inlined} a + b`), '</script><!-- </STYLE>');
});

test('the page of a hostile run has the elements of the page and none of the texts', async () => {
  const out = join(folder, 'hostile.html');
  const { files, bytes } = await writeReport({ sources: [trace], outPath: out, format: 'html' });
  assert.deepEqual(files, [out]);
  const page = await readFile(out, 'utf8');
  assert.equal(Buffer.byteLength(page), bytes);
  assert.match(page, /Content-Security-Policy" content="default-src &#39;none&#39;; img-src data: blob:;/);
  const static_ = page.slice(page.indexOf('<body'), page.indexOf('<script type="application/json"'));
  assert.doesNotMatch(static_, /<script|<img src=x|onerror="|<a\b|(src|href)="(?!data:image\/)/);
  assert.match(static_, /&lt;\/script&gt;&lt;script&gt;document\.title=&quot;owned&quot;/);
  for (const word of ['greedy decoding', hostileRun.model.digest, hostileRun.image.digest, 'Same again', 'Seed'])
    assert.ok(static_.includes(word), word);
});

test('words of a command line reach the command as they were, and hide nothing', () => {
  for (const text of [...hostileTexts, '', '-q', 'a b', "it's", '$(id)', '`id`', '\\', '*']) {
    const clean = text.replace(/[\0]/g, '').replace(/\p{Surrogate}/gu, '\ufffd');
    const word = shellWord(clean);
    assert.doesNotMatch(word, /[\p{Cc}\u202e]/u);
    const printed = execFileSync('bash', ['-c', `printf %s ${word}`], {
      env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' },
      // With a socket for stdin, bash would take itself for a remote shell and read start-up files.
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    assert.equal(printed.toString(), clean);
  }
  assert.match(analyzeLine(hostileRun), / --model='-x'\\''; rm -rf ~; '\\''' /);
});

test('tensors packed exactly come back byte for byte', async () => {
  const reader = await openTraceFile(trace);
  try {
    const packed = await packTrace(reader, Infinity);
    assert.equal(packed.precision, 'exact');
    for (const tensor of packed.trace.tensors)
      assert.deepEqual(
        decodeTensor(tensor, coded(packed, tensor.block)),
        (await reader.slice(tensor.name as TensorName)).data,
      );
  } finally {
    await reader.close();
  }
});

test('where there is little room, attention to the image is rounded and nothing else', async () => {
  const reader = await openTraceFile(trace);
  try {
    const packed = await packTrace(reader, 0);
    assert.equal(packed.precision, 'steps');
    assert.deepEqual(
      packed.trace.tensors.filter(({ coding }) => coding === 'steps').map(({ name }) => name),
      ['decoder.attention_to_image'],
    );
  } finally {
    await reader.close();
  }
});

test('the page reads from its own blocks what the trace has, to the precision that it states', async () => {
  const reader = await openTraceFile(trace);
  try {
    for (const room of [Infinity, 0]) {
      const { trace: embedded, blocks } = await packTrace(reader, room);
      const source = await EmbeddedSource.open(
        await embeddedFile(embedded, id => blocks.find(block => block.id === id)?.base64 ?? ''),
      );
      assert.deepEqual(source.tensors, reader.tensors);
      const ranges = [
        [1, 3],
        [1, 2],
        [0, 2],
        [2, 5],
      ] as const;
      const [shown, recorded] = [
        await source.slice('decoder.attention_to_image', ranges),
        await reader.slice('decoder.attention_to_image', ranges),
      ];
      assert.deepEqual(shown.shape, [2, 1, 2, 3]);
      if (room > 0) assert.deepEqual(shown.data, recorded.data);
      // The largest value is 95 / 1024; half a step of it, and as much again for rounding to half precision.
      const expected = floatsOf(recorded);
      floatsOf(shown).forEach((value, i) => {
        assert.ok(Math.abs(value - expected[i]!) <= 95 / 1024 / 255);
      });
      assert.deepEqual(await source.slice('decoder.attention_mass'), await reader.slice('decoder.attention_mass'));
    }
    const { trace: embedded } = await packTrace(reader, Infinity);
    await assert.rejects(embeddedFile(embedded, () => 'AAAA'));
  } finally {
    await reader.close();
  }
});

const coded = ({ blocks }: PackedTrace, id: string): Uint8Array =>
  new Uint8Array(gunzipSync(Buffer.from(blocks.find(block => block.id === id)!.base64, 'base64')));

test('steps are off by at most half a step of the own maximum of each map', () => {
  const values = Float32Array.from({ length: 4 * 50 }, (_, i) =>
    i < 50 ? 0 : Math.abs(Math.sin(i)) * 10 ** -Math.floor(i / 50),
  );
  const back = fromSteps(toSteps(values, 50), 50);
  for (let map = 0; map < 4; map++) {
    const part = values.subarray(map * 50, map * 50 + 50);
    const limit = (Math.max(...part) / 255 / 2) * 1.0001;
    part.forEach((value, i) => {
      assert.ok(Math.abs(back[map * 50 + i]! - value) <= limit);
    });
  }
  const bytes = Uint8Array.from({ length: 24 }, (_, i) => i);
  for (const width of [1, 2, 4]) assert.deepEqual(joinPlanes(splitPlanes(bytes, width), width), bytes);
  assert.deepEqual([...splitPlanes(bytes, 2).subarray(0, 3)], [0, 2, 4]);
});

test('masses and image shares are means over heads and the rows of the answer', async () => {
  const reader = await openTraceFile(trace);
  try {
    const { masses, tokens, answer } = await readContent(reader);
    // Element i of the tensor [4, 2, 2, 5] is i / 1024; one answer token, predicted by row 2, and the end token.
    const at = (row: number, layer: number, head: number, group: number): number =>
      (((row * 2 + layer) * 2 + head) * 5 + group) / 1024;
    const expected = [0, 1].map(layer =>
      [0, 1, 2, 3, 4].map(group => (at(2, layer, 0, group) + at(2, layer, 1, group)) / 2),
    );
    masses.forEach((layer, l) => {
      layer.forEach((value, g) => {
        assert.ok(Math.abs(value - expected[l]![g]!) < 1e-6);
      });
    });
    assert.equal(answer?.answerTokens, 1);
    assert.deepEqual(
      tokens.map(({ token }) => token),
      [3, 4],
    );
    assert.ok(Math.abs(tokens[1]!.imageShare - (at(3, answer.layer, 0, 0) + at(3, answer.layer, 1, 0)) / 2) < 1e-6);
  } finally {
    await reader.close();
  }
});

test('the command line takes the format from the name, and refuses what it cannot do', async () => {
  assert.deepEqual(parseReportOptions(['runs/a.b.fovea'])?.order, {
    sources: ['runs/a.b.fovea'],
    outPath: 'runs/a.b.html',
    format: 'html',
  });
  assert.equal(parseReportOptions(['a.fovea', '-o', 'x.HTM'])?.order.format, 'html');
  assert.equal(parseReportOptions(['--help']), undefined);
  for (const words of [[], ['a', '--format', 'doc'], ['a', '-o', 'x.doc']])
    assert.throws(() => parseReportOptions(words), FoveaError);
  await assert.rejects(writeReport({ sources: [trace], outPath: trace, format: 'html' }), /would be a trace/);
  await assert.rejects(
    writeReport({ sources: [join(folder, 'none.fovea')], outPath: join(folder, 'x.html'), format: 'html' }),
    /there is no such file/,
  );
});
