import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Remedy, remediesFor, type Retry } from '../../extension/analysis/remedies.ts';
import { PipelineFailure, type PipelineFailureDetail } from '../../extension/pipeline/failure.ts';
import type { FoveaErrorCode } from '../../native/rpc.ts';

/** The compiler asks for every code. */
const codes = Object.keys({
  usage: true,
  'image-unreadable': true,
  'image-too-large': true,
  'question-invalid': true,
  'question-too-long': true,
  'question-set': true,
  'checkpoint-missing': true,
  'checkpoint-malformed': true,
  'architecture-unsupported': true,
  'method-failed': true,
  'budget-impossible': true,
  'shape-mismatch': true,
  'out-of-memory': true,
  'device-unavailable': true,
  'rank-failed': true,
  disk: true,
  cancelled: true,
  internal: true,
} satisfies Record<FoveaErrorCode | 'internal', true>) as (FoveaErrorCode | 'internal')[];
const failure = (detail: PipelineFailureDetail): PipelineFailure => new PipelineFailure('It failed.', detail);
const reported = (code: Extract<PipelineFailureDetail, { kind: 'reported' }>['code']): PipelineFailure =>
  failure({ kind: 'reported', code, hint: '' });
const retries: readonly Retry[] = ['tryAgain', 'askAgain', 'chooseMethod'];

test('a failure offers only what its command can do, and always something', () => {
  const end = { exitCode: 1, signal: null, stderrTail: '' };
  const failures: readonly unknown[] = [
    ...codes.map(reported),
    failure({ kind: 'crashed', end }),
    failure({ kind: 'refused', seconds: 10 }),
    new Error('anything else'),
  ];
  for (const possible of [retries, ['tryAgain'], []] as const) {
    for (const error of failures) {
      const offered: readonly Remedy[] = remediesFor(error, possible);
      const impossible = retries.filter(
        retry => !(possible as readonly Retry[]).includes(retry) && offered.includes(retry),
      );
      assert.deepEqual(impossible, []);
      if (possible.length > 0) assert.ok(offered.length > 0, String(error));
      assert.equal(new Set(offered).size, offered.length, 'each once');
    }
  }
});

test('where the fitting way is not there, trying again stands for it', () => {
  assert.deepEqual(remediesFor(reported('budget-impossible'), retries), ['chooseMethod', 'showLog']);
  assert.deepEqual(remediesFor(reported('budget-impossible'), ['tryAgain']), ['tryAgain', 'showLog']);
  assert.deepEqual(remediesFor(reported('budget-impossible'), []), ['showLog']);
  assert.deepEqual(remediesFor(reported('device-unavailable'), ['tryAgain']), ['chooseDevice', 'showLog']);
});
