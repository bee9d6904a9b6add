/** A plan is checked before it is executed, so that a faulty method fails with its hook's name and not somewhere later. */
import { noReason } from '../../trace/fates.ts';
import { FoveaError } from '../errors.ts';
import type { CachePlan, PlanRecord, TokenPlan } from './method.ts';

const weightSlack = 1e-3;

/** @param hook where it was returned, e.g. "mustdrop, after decoder layer 2" @throws FoveaError `method-failed` */
export function checkPlan(plan: TokenPlan, count: number, hook: string): void {
  const fail = failure(hook);
  checkRecord(plan, count, fail);
  if (!plan.tokens) return;
  if (plan.tokens.length === 0) fail('keeps no visual token at all');
  const used = new Uint8Array(count);
  plan.tokens.forEach(({ members, weights, scale = 1 }, index) => {
    if (!Number.isFinite(scale) || (scale !== 1 && members.length === 1)) fail(`scales token ${index} by ${scale}`);
    if (members.length === 0) fail(`has no members in token ${index}`);
    for (const member of members) {
      requireIndex(member, count, `token ${index}`, fail);
      if (used[member]) fail(`uses visual token ${member} twice`);
      used[member] = 1;
    }
    if (!weights) return;
    if (weights.length !== members.length) fail(`has ${weights.length} weights for ${members.length} members`);
    const sum = weights.reduce((total, weight) => total + weight, 0);
    if (!(Math.abs(sum - 1) <= weightSlack) || weights.some(weight => !(weight >= 0))) {
      fail(`has weights in token ${index} that are not shares of 1`);
    }
  });
}

/** @throws FoveaError `method-failed` */
export function checkCachePlan(plan: CachePlan, count: number, layers: number, hook: string): void {
  const fail = failure(hook);
  checkRecord(plan, count, fail);
  requireIndex(plan.fromLayer, layers, 'fromLayer', fail);
  for (const kept of plan.kept) requireIndex(kept, count, 'kept', fail);
  if (new Set(plan.kept).size !== plan.kept.length) fail('keeps a visual token twice');
}

type Fail = (problem: string) => never;

function failure(hook: string): Fail {
  return problem => {
    throw new FoveaError(
      'method-failed',
      `The plan of ${hook} ${problem}.`,
      'A plan lists visual tokens of the view it answers, each at most once.',
    );
  };
}

function checkRecord(plan: PlanRecord, count: number, fail: Fail): void {
  if (typeof plan.id !== 'string' || typeof plan.title !== 'string') fail('has no id or title');
  for (const { name, values } of plan.scores ?? []) {
    if (values.length !== count) fail(`has ${values.length} values of "${name}" for ${count} visual tokens`);
  }
  for (const { name, values } of plan.textScores ?? []) {
    if (!Array.from(values).every(Number.isFinite)) fail(`has values of "${name}" that are not numbers`);
  }
  const lists = { reasonOf: plan.reasonOf, partnerOf: plan.partnerOf };
  for (const [name, list] of Object.entries(lists)) {
    if (list && list.length !== count) fail(`has ${list.length} entries in ${name} for ${count} visual tokens`);
  }
  const reasons = plan.reasons?.length ?? 0;
  for (const reason of Array.from(plan.reasonOf ?? [])) {
    if (reason === noReason || (Number.isSafeInteger(reason) && reason >= 0 && reason < reasons)) continue;
    fail(`names reason ${String(reason)}, but has ${reasons} (${noReason} is for none)`);
  }
  for (const rater of plan.raters ?? []) {
    if (!Number.isSafeInteger(rater) || rater < 0) fail(`names text token ${String(rater)} in raters`);
  }
  for (const index of plan.keySet ?? []) requireIndex(index, count, 'keySet', fail);
  for (const index of plan.rescued ?? []) requireIndex(index, count, 'rescued', fail);
}

function requireIndex(index: number, count: number, where: string, fail: Fail): void {
  if (!Number.isSafeInteger(index) || index < 0 || index >= count) {
    fail(`names ${String(index)} in ${where}, but there are ${count}`);
  }
}
