/** What a trace keeps of a method's stages, painted on the patches. */
import { fateNames, noReason, noToken, type Fate, type Stage, type StagePlace } from '../../trace/fates.ts';
import { bytesOf, type TraceTensors } from '../../trace/writer.ts';
import type { PlanRecord } from './method.ts';
import type { VisualTokens } from './visual-tokens.ts';

interface PaintedStage {
  readonly fate: Uint8Array;
  readonly reason: Uint8Array;
  readonly key: Uint8Array;
  readonly token: Int32Array;
  readonly weight: Float32Array;
  readonly partner: Int32Array;
  readonly scores: readonly Float32Array[];
}

const fateCode = (fate: Fate): number => fateNames.indexOf(fate);

export class StageRecord {
  private readonly described: Stage[] = [];
  private readonly painted: PaintedStage[] = [];

  constructor(
    private readonly patches: number,
    /** Index into the run's tokens of the first text token after the image. */
    private readonly firstTextAfter: number,
  ) {}

  get stages(): readonly Stage[] {
    return this.described;
  }

  /** @param keyIds ids of the tokens in the key set when the stage ends */
  add(
    place: StagePlace,
    plan: PlanRecord,
    before: VisualTokens,
    after: VisualTokens,
    keyIds: ReadonlySet<number>,
  ): void {
    const { id, title, scores = [], textScores, reasons = [], raters, notes = [] } = plan;
    this.described.push({
      id,
      title,
      place,
      entering: before.count,
      leaving: after.count,
      scores: scores.map(({ values: _, ...described }) => described),
      ...(textScores && {
        textScores: textScores.map(score => ({
          ...score,
          first: this.firstTextAfter,
          values: Array.from(score.values),
        })),
      }),
      reasons: [...reasons],
      ...(raters && { raters: raters.map(rater => this.firstTextAfter + rater) }),
      notes: [...notes],
    });
    this.painted.push(this.paint(plan, before, after, keyIds));
  }

  /** Begins with the stages of another one. */
  take(other: StageRecord): void {
    this.described.push(...other.described);
    this.painted.push(...other.painted);
  }

  private paint(
    { scores = [], reasonOf, rescued = [], partnerOf }: PlanRecord,
    before: VisualTokens,
    after: VisualTokens,
    keyIds: ReadonlySet<number>,
  ): PaintedStage {
    const { patches } = this;
    const saved = new Set(rescued);
    const staying = new Set(after.list.map(({ id }) => id));
    const stage = {
      fate: new Uint8Array(patches).fill(fateCode('absent')),
      reason: new Uint8Array(patches).fill(noReason),
      key: new Uint8Array(patches),
      token: new Int32Array(patches).fill(noToken),
      weight: new Float32Array(patches),
      partner: new Int32Array(patches).fill(noToken),
      scores: scores.map(() => new Float32Array(patches).fill(NaN)),
    };
    after.list.forEach((token, index) => {
      token.patches.forEach((patch, place) => {
        stage.token[patch] = index;
        stage.weight[patch] = token.weights[place]!;
        stage.key[patch] = keyIds.has(token.id) ? 1 : 0;
      });
    });
    before.list.forEach((token, index) => {
      const partner = partnerOf?.[index] ?? noToken;
      for (const patch of token.patches) {
        const stays = staying.has(token.id);
        const merged = !stays && stage.token[patch] !== noToken;
        stage.fate[patch] = fateCode(stays ? (saved.has(index) ? 'rescued' : 'kept') : merged ? 'merged' : 'dropped');
        stage.reason[patch] = reasonOf?.[index] ?? noReason;
        if (partner !== noToken) stage.partner[patch] = before.list[partner]?.patches[0] ?? noToken;
        scores.forEach(({ values }, score) => {
          stage.scores[score]![patch] = values[index]!;
        });
      }
    });
    return stage;
  }

  tensors(): TraceTensors {
    const { painted, patches } = this;
    if (painted.length === 0) return {};
    const shape = [painted.length, patches];
    const bytes = (pick: (stage: PaintedStage) => Uint8Array): Uint8Array => joined(painted.map(pick));
    const scores = painted.flatMap(stage => stage.scores);
    return {
      'fates.fate': { dtype: 'U8', shape, data: bytes(stage => stage.fate) },
      'fates.reason': { dtype: 'U8', shape, data: bytes(stage => stage.reason) },
      'fates.key': { dtype: 'U8', shape, data: bytes(stage => stage.key) },
      'fates.token': { dtype: 'I32', shape, data: bytes(stage => bytesOf(stage.token)) },
      'fates.weight': { dtype: 'F32', shape, data: bytes(stage => bytesOf(stage.weight)) },
      'fates.partner': { dtype: 'I32', shape, data: bytes(stage => bytesOf(stage.partner)) },
      ...(scores.length > 0 && {
        'fates.scores': { dtype: 'F32', shape: [scores.length, patches], data: joined(scores.map(bytesOf)) },
      }),
    };
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
