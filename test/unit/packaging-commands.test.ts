import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

const projectFolder = path.resolve(import.meta.dirname, '../..');
const samples = path.join(projectFolder, 'media/samples');

/** As typed into a shell in `folder`: what an outer npm left in the environment is taken out. */
function command(program: string, args: readonly string[], folder = projectFolder): { stdout: string; stderr: string } {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD$|NODE_TEST_CONTEXT$)/i.test(name)),
  );
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return { stdout, stderr };
}

/** Runs `body` with a path for a trace that is removed afterwards. */
function withTrace(body: (trace: string) => void): void {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'fovea-commands-'));
  try {
    body(path.join(folder, 'run.fovea'));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

test('npx fovea analyze --json prints exactly one JSON object, and nothing else, on stdout', () => {
  withTrace(trace => {
    const question = 'What is the number of moose?';
    const args = ['fovea', 'analyze', 'scene-04.png', '--question', question, '--out', trace, '--json'];
    const result = JSON.parse(command('npx', args, samples).stdout) as { answer: string; trace: string };
    assert.match(result.answer, /four/);
    assert.equal(result.trace, trace);
    assert.ok(fs.statSync(trace).size > 0);
  });
});

test('npm start takes an image relative to where it was typed', () => {
  withTrace(trace => {
    const args = ['start', '--silent', '--', 'scene-04.png', 'Is there a green apple?', '--out', trace];
    assert.match(command('npm', args, samples).stdout, /yes/i);
    assert.ok(fs.existsSync(trace));
  });
});

test('setup is silent and quick when nothing is to do', () => {
  command(process.execPath, ['setup.mjs']);
  const { stdout, stderr } = command(process.execPath, ['setup.mjs']);
  assert.equal(stdout + stderr, '');
});

test('no lock file names a registry, so that every machine installs from its own', () => {
  const files = execFileSync('git', ['ls-files', '*package-lock.json'], { cwd: projectFolder, encoding: 'utf8' })
    .trim()
    .split('\n');
  assert.ok(files.length >= 3);
  for (const file of files)
    assert.doesNotMatch(fs.readFileSync(path.join(projectFolder, file), 'utf8'), /"resolved": "http/, file);
});
