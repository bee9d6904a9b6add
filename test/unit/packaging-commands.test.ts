import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
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

test('npx fovea analyze --json prints exactly one JSON object, and nothing else, on stdout', () => {
  const { stdout } = command(
    'npx',
    ['fovea', 'analyze', 'scene-04.png', '--question', 'What is the number of moose?', '--json'],
    samples,
  );
  const result = JSON.parse(stdout) as { answer: string; trace: string };
  try {
    assert.match(result.answer, /four/);
    assert.ok(fs.statSync(result.trace).size > 0);
  } finally {
    fs.rmSync(result.trace, { force: true });
  }
});

test('npm start takes an image relative to where it was typed', () => {
  const { stdout } = command('npm', ['start', '--silent', '--', 'scene-04.png', 'Is there a green apple?'], samples);
  assert.match(stdout, /yes/i);
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
