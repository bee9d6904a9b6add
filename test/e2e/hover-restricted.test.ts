/** Hovers in a window that is not trusted, in every language that refers to images, notebooks' cells included. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { projectFolder } from './rig/editor.ts';
import { Fixture, testsOf } from './rig/fixture.ts';
import { hoverWord } from './rig/hover.ts';

let fixture: Fixture;
const test = testsOf(() => fixture);

const image = 'media scene.png';
const sample = path.join(projectFolder, 'media/samples/scene-04.png');
const question = 'What is the largest object?';

/** A trace of the command line, of a random-free method that drops tokens. */
function tracesOfCommandLine(): Record<string, Buffer> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fovea-hover-'));
  const run = (name: string, ...options: string[]): Buffer => {
    const out = path.join(folder, name);
    const args = [path.join(projectFolder, 'dist/cli.cjs'), 'analyze', sample, '--question', question, '--out', out];
    execFileSync(process.execPath, [...args, ...options], { stdio: 'pipe' });
    return fs.readFileSync(out);
  };
  try {
    return { 'fovea-runs/plain.fovea': run('plain.fovea') };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const notebook = {
  cells: [
    { cell_type: 'code', metadata: {}, source: [`picture = open('${image}')`], outputs: [], execution_count: null },
  ],
  metadata: { language_info: { name: 'python' } },
  nbformat: 4,
  nbformat_minor: 5,
};

before(async () => {
  fixture = await Fixture.start({
    files: {
      ...tracesOfCommandLine(),
      [image]: fs.readFileSync(sample),
      'page.html': `<p>text</p>\n<img src="media%20scene.png" alt="">\n`,
      'config.yaml': `image: ${image}\n`,
      'paper.tex': `\\includegraphics[width=3cm]{media scene}\n`,
      'set.jsonl': `${JSON.stringify({ image, question, answer: 'a moose' })}\n${JSON.stringify({ image, question: 'Never asked?', answer: 'x' })}\n`,
      'cells.ipynb': JSON.stringify(notebook),
    },
    settings: { 'security.workspace.trust.enabled': true },
  });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

for (const [file, word] of [
  ['page.html', 'media%20scene'],
  ['config.yaml', 'media scene'],
  ['paper.tex', 'media scene'],
  ['set.jsonl', 'a moose'],
  ['cells.ipynb', 'media scene'],
] as const) {
  test(`in ${file}, a restricted window shows the run and offers nothing that runs`, async () => {
    const { workbench } = fixture;
    await workbench.openFile(file);
    const card = await hoverWord(workbench, word, question);
    const text = (await card.innerText()).replaceAll('\u00a0', ' ');
    assert.match(text, /moose/);
    assert.match(text, /fovea-tiny, today/);
    assert.doesNotMatch(text, /Ask|Open|Analyze/);
    assert.equal(await card.locator('a[href^="command:"], a[data-href^="command:"]').count(), 0);
    const natural = await card
      .locator('img')
      .first()
      .evaluate(node => (node as HTMLImageElement).naturalWidth);
    assert.equal(natural, 200);
    await workbench.screenshot(`hover-restricted-${path.extname(file).slice(1)}`);
    await workbench.command('View: Close All Editors');
  });
}

test('hovers in a restricted window start no run', () => {
  assert.equal(fixture.pipelineProcess(), undefined);
  assert.deepEqual(fixture.outsideTraffic(), []);
});
