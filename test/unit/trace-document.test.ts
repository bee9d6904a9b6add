import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { tensorSpecs, type TensorSpec } from '../../trace/schema.ts';

test('docs/trace.md describes exactly the tensors of the schema, with their dtypes', () => {
  const document = readFileSync(new URL('../../docs/trace.md', import.meta.url), 'utf8');
  // Tensors of the other kinds of traces have schemas of their own.
  const line =
    /^\| `((?!traffic|workload|evaluation)[a-z_.]+)`( \(optional\))?\s+\| ([A-Z]\d+(?: or [A-Z]\d+)*)\s+\|/gm;
  const described = Object.fromEntries(
    Array.from(document.matchAll(line), ([, name = '', optional, dtypes = '']) => [
      name,
      { dtypes: dtypes.split(' or '), required: optional === undefined },
    ]),
  );
  const specified = Object.fromEntries(
    Object.entries(tensorSpecs).map(([name, spec]: [string, TensorSpec]) => [
      name,
      { dtypes: [...spec.dtypes], required: spec.required },
    ]),
  );
  assert.deepEqual(described, specified);
});
