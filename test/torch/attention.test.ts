/** The arithmetic of one rank, tested in Python: attention_test.py says what each test proves. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { packageFolder, python } from './ranks-rig.ts';

const script = fileURLToPath(new URL('attention_test.py', import.meta.url));
const env = { ...process.env, PYTHONPATH: packageFolder, PYTHONDONTWRITEBYTECODE: '1' };

await test('block attention in Python', async context => {
  const { stdout, stderr, status } = spawnSync(python, [script], { env, encoding: 'utf8' });
  const results = stdout
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as { name: string; error: string });
  assert.ok(results.length >= 9, `only ${results.length} tests ran\n${stderr}`);
  for (const { name, error } of results) {
    await context.test(name, () => {
      assert.equal(error, '');
    });
  }
  assert.equal(status, 0, stderr);
});
