/** Reports and figures in a real VS Code: from the open panel and the Runs view over the save dialog to the file. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { projectFolder } from './rig/editor.ts';
import { Fixture, testsOf } from './rig/fixture.ts';
import { ask, idle, Panel } from './rig/fovea.ts';

let fixture: Fixture;
const test = testsOf(() => fixture);

/** What a file system of this machine takes for a name, and what a page must not take for more than text. */
const hostileName = `"><script>document.title='owned'<!-- \u05e9\u05dc\u05d5\u05dd 👩‍🚀.png`;
const hostileQuestion = `</script><script>document.title="owned"</script> ../../etc/passwd 'single' \u0645\u0631\u062d\u0628\u0627 🦌?`;

before(async () => {
  const picture = fs.readFileSync(path.join(projectFolder, 'media/samples/scene-02.png'));
  fixture = await Fixture.start({ samples: ['scene-04.png'], files: { [hostileName]: picture } });
});
after(async () => {
  await fixture[Symbol.asyncDispose]();
});

test('Export Report writes the run that is open as one web page, and says so', async () => {
  const { workbench, editor } = fixture;
  await ask(workbench, 'scene-04.png', 'Describe this picture.');
  await Panel.visible(workbench);
  await idle(workbench);
  await workbench.command('Fovea: Export Report…');
  // The save dialog proposes the trace's name a moment after it opens; what is proposed is taken.
  await workbench.page.waitForFunction(
    `[...document.querySelectorAll('.quick-input-widget input')].some(input => input.value.endsWith('.html'))`,
  );
  await workbench.page.keyboard.press('Enter');
  await workbench.notification('.html is written').waitFor({ timeout: 30_000 });
  const name = fs.readdirSync(editor.workspace).find(file => file.endsWith('.html')) ?? '';
  assert.ok(name.startsWith('scene-04-'), `written as ${name}`);
  const page = fs.readFileSync(path.join(editor.workspace, name), 'utf8');
  assert.match(page, /^<!DOCTYPE html>/);
  assert.ok(page.includes('Four moose, a green apple') && page.includes('id="fovea-run"'));
  assert.ok(page.length < 5e6);
});

/** Takes what the save dialog proposes once it does, or a name of its own in the same folder. */
async function saveAs(proposed: RegExp, name?: string): Promise<string> {
  const { page } = fixture.workbench;
  const input = page.locator('.quick-input-widget:visible .quick-input-box input').first();
  let value = '';
  await fixture.workbench.retry('see the proposed name', 20_000, async () => {
    value = await input.inputValue();
    assert.match(value, proposed);
  });
  if (name !== undefined) {
    value = path.posix.join(path.posix.dirname(value), name);
    await input.fill(value);
  }
  await page.keyboard.press('Enter');
  return path.join(fixture.editor.workspace, path.basename(value));
}

test('Save Figure writes an SVG that Chromium opens by itself', async () => {
  const { workbench } = fixture;
  await workbench.command('Fovea: Save Figure…');
  await workbench.pick('Head × layer');
  const file = await saveAs(/scene-04 Head × layer\.svg$/);
  await workbench.notification('.svg is written').waitFor({ timeout: 30_000 });
  const svg = fs.readFileSync(file, 'utf8');
  assert.doesNotMatch(svg, /var\(|\sclass=|\sstyle=/);
  assert.match(svg, /<desc>[^<]*“[^<]*fovea-tiny on scene-04\.png, question “Describe this picture\.”/);
  const browser = workbench.page.context().browser();
  const context = await browser!.newContext();
  try {
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('console', message => faults.push(message.text()));
    page.on('requestfailed', request => faults.push(request.url()));
    await page.goto(pathToFileURL(file).href);
    const shown = await page.evaluate<{ root: string; texts: number; width: number }>(
      `({ root: document.documentElement.tagName, texts: document.querySelectorAll('text').length, width: document.documentElement.getBoundingClientRect().width })`,
    );
    assert.equal(shown.root, 'svg');
    assert.ok(shown.texts > 12, `${shown.texts} texts`);
    // At most 180 mm, at 96 pixels an inch.
    assert.ok(shown.width > 300 && shown.width < 681, `${shown.width} pixels wide`);
    assert.deepEqual(faults, []);
    await page.screenshot({ path: 'test/output/e2e/figure.png' });
  } finally {
    await context.close();
  }
});

test('with the ending .png, the figure has print resolution', async () => {
  const { workbench } = fixture;
  await workbench.command('Fovea: Save Figure…');
  await workbench.pick('Attention on the image');
  const file = await saveAs(/Attention on the image\.svg$/, 'picture.png');
  await workbench.notification('picture.png is written').waitFor({ timeout: 30_000 });
  const { format, density, width } = await sharp(file).metadata();
  assert.equal(format, 'png');
  assert.equal(density, 300);
  assert.ok(width > 1000, `${width} pixels`);
});

test('in the panel, the key s saves the chart that has the focus', async () => {
  const { workbench } = fixture;
  const panel = await Panel.visible(workbench);
  await panel.get('depth-axis').focus();
  await panel.get('depth-axis').press('s');
  await saveAs(/Layer by layer\.svg$/, 'axis.svg');
  await workbench.notification('axis.svg is written').waitFor({ timeout: 30_000 });
});

test('the Runs view exports one run, and of two selected ones a comparison', async () => {
  const { workbench, editor } = fixture;
  const folder = path.join(editor.workspace, 'runs');
  const [first] = fixture.runFiles();
  fs.copyFileSync(path.join(folder, first!), path.join(folder, 'again.fovea'));
  await workbench.command('View: Show Fovea');
  const rows = workbench.page.locator('.part.sidebar .monaco-list-row').filter({ hasText: 'Describe this picture.' });
  await rows.nth(1).waitFor();
  await rows.nth(0).hover();
  await rows.nth(0).locator('.action-label[aria-label^="Export Report"]').click();
  const single = await saveAs(/\.html$/, 'single.md');
  await workbench.notification('single.md is written').waitFor({ timeout: 30_000 });
  assert.match(fs.readFileSync(single, 'utf8'), /^# Where fovea-tiny looked in scene-04\.png/);
  await rows.nth(0).click();
  await rows.nth(1).click({ modifiers: ['ControlOrMeta'] });
  const entry = workbench.page.locator('.context-view .monaco-menu .action-label').filter({ hasText: 'Export Report' });
  await workbench.retry('choose Export Report', 20_000, async again => {
    if (again) await workbench.page.keyboard.press('Escape');
    await rows.nth(1).click({ button: 'right', timeout: 3000 });
    await entry.first().click({ timeout: 3000, delay: 50 });
    await entry.first().waitFor({ state: 'hidden', timeout: 1000 });
  });
  const both = await saveAs(/-comparison\.html$/, 'both.html');
  await workbench.notification('both.html is written').waitFor({ timeout: 60_000 });
  const page = fs.readFileSync(both, 'utf8');
  assert.match(page, /2 runs on/);
  assert.ok(page.includes('id="fovea-run-2"'));
});

test('Cancel ends a report that is being written, and nothing is left of it', async () => {
  const { workbench, editor } = fixture;
  // Reports wait for their turn: behind a run that was asked for before, there is time for Cancel.
  await ask(workbench, 'scene-04.png', 'Describe this picture.');
  await workbench.command('Fovea: Focus on Runs View');
  const row = workbench.page.locator('.part.sidebar .monaco-list-row').filter({ hasText: 'Describe this picture.' });
  await row.first().hover();
  await row.first().locator('.action-label[aria-label^="Export Report"]').click();
  await saveAs(/\.html$/, 'cancelled.pdf');
  const notification = workbench.notification('Writing cancelled.pdf');
  await notification.getByRole('button', { name: 'Cancel' }).click();
  await notification.waitFor({ state: 'hidden' });
  await idle(workbench);
  const left = fs.readdirSync(editor.workspace).filter(name => name.startsWith('cancelled'));
  assert.deepEqual(left, []);
});

/** Opens a report as a reader does who got the file alone. @returns its text, and everything that went wrong */
async function readFromDisk(file: string): Promise<{ text: string; title: string; faults: string[] }> {
  const context = await fixture.workbench.page.context().browser()!.newContext();
  const page = await context.newPage();
  const faults: string[] = [];
  const address = pathToFileURL(file).href;
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', error => faults.push(`page: ${error.message}`));
  page.on('request', request => {
    if (request.url() !== address && !/^(data|blob):/.test(request.url())) faults.push(`request: ${request.url()}`);
  });
  await page.goto(address);
  await page.waitForSelector('body[data-ready="1"]');
  await page.getByTestId('token').last().hover();
  const result = { text: await page.locator('body').innerText(), title: await page.title(), faults };
  await context.close();
  return result;
}

test('HTML and PDF of a hostile image and question, from the panel and from the command line, open from disk and stay text', async () => {
  const { workbench, editor } = fixture;
  const before = new Set(fixture.runFiles());
  await ask(workbench, hostileName, hostileQuestion);
  await workbench.webview(`[data-fact="image"]:has-text("owned")`, { timeout: 60_000 });
  await idle(workbench);
  const trace = path.join(
    editor.workspace,
    'runs',
    fixture.runFiles().find(name => !before.has(name))!,
  );
  const written: string[] = [];
  for (const format of ['html', 'pdf']) {
    await workbench.command('Fovea: Export Report…');
    written.push(await saveAs(/\.html$/, `from-panel.${format}`));
    await workbench.notification(`from-panel.${format} is written`).waitFor({ timeout: 60_000 });
    const out = path.join(editor.workspace, `from-shell ' & <b>.${format}`);
    const cli = [path.join(projectFolder, 'dist/cli.cjs'), 'report', trace, '--format', format, '--out', out];
    execFileSync(process.execPath, cli, { stdio: 'pipe' });
    written.push(out);
  }
  for (const file of written) {
    if (file.endsWith('.pdf')) {
      assert.match(fs.readFileSync(file, 'latin1'), /^%PDF-[^]*\/Type\s*\/Page\b/);
      continue;
    }
    const { text, title, faults } = await readFromDisk(file);
    assert.deepEqual(faults, []);
    assert.notEqual(title, 'owned');
    for (const part of [
      '</script><script>document.title="owned"</script> ../../etc/passwd',
      '\u0645\u0631\u062d\u0628\u0627 🦌?',
    ])
      assert.ok(text.includes(part), part);
  }
});
