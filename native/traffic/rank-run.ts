/** One rank carrying out its program: every operation of a schedule, with stamps. */
import type { ComputeKind } from '../../trace/traffic/ledger.ts';
import { flopsPerPair } from '../../trace/traffic/planner.ts';
import { lastUses, tensorKey } from '../../trace/traffic/residency.ts';
import {
  type Assemble,
  type Attend,
  type Delta,
  type Differentiate,
  type Exchange,
  type Merge,
  type Operation,
  type Pass,
  type RankProgram,
  tensorKinds,
} from '../../trace/traffic/schedule.ts';
import type { BlockKernel } from './block-kernel.ts';
import { BlockMath } from './block-math.ts';
import type { RankChannel } from './rank-channel.ts';
import type { RankRecorder } from './rank-recorder.ts';
import type { RankSetup } from './protocol.ts';
import { type GradientKind, headsOfPiece, type Piece, RankStore } from './rank-store.ts';
import { logSumExp, mergeInto, normalize, type Statistics } from './statistics.ts';
import { packTensor, unpackTensors } from './tensor-messages.ts';

export class RankRun {
  readonly store = new RankStore();
  readonly math: BlockMath;
  private repetition = 0;

  constructor(
    private readonly setup: RankSetup,
    kernel: BlockKernel,
    private readonly channel: RankChannel,
    private readonly recorder: RankRecorder,
  ) {
    this.math = new BlockMath(setup, this.store, kernel);
    this.math.storeInputs();
  }

  /** @throws Interrupted, FoveaError `shape-mismatch` or `out-of-memory` */
  async run(program: RankProgram, pass: Pass, repetition: number): Promise<void> {
    this.repetition = repetition;
    const last = lastUses(program);
    const exchanges = program.operations.filter(operation => operation.op === 'exchange');
    for (const [index, operation] of program.operations.entries()) {
      this.channel.throwIfAborted();
      await this.perform(operation, exchanges, pass);
      this.recorder.memory(this.store.held(this.math.takeScratch()));
      if (!this.setup.keepBlocks) this.forgetUsed(last, index);
    }
  }

  /** Other ranks' blocks that no later operation reads. */
  private forgetUsed(last: ReadonlyMap<string, number>, index: number): void {
    const ranks = this.setup.sizes.sharding.queryRows.length;
    for (const kind of tensorKinds) {
      for (let owner = 0; owner < ranks; owner++) {
        const end = last.get(tensorKey(kind, owner));
        if (owner !== this.setup.rank && end !== undefined && end <= index) this.store.forget(kind, owner);
      }
    }
  }

  private async perform(operation: Operation, exchanges: readonly Exchange[], pass: Pass): Promise<void> {
    switch (operation.op) {
      case 'exchange':
        this.post(operation, pass);
        return;
      case 'wait':
        this.wait(exchanges[operation.exchange]!, operation.round, pass);
        return;
      case 'attend':
        return this.attend(operation);
      case 'differentiate':
        return this.timed('gradient', operation, () => this.math.differentiate(operation));
      case 'delta':
        return this.timed('delta', operation, () => {
          this.math.delta(operation.owner);
        });
      case 'merge':
        await this.timed('merge', operation, () => {
          this.merge(operation);
        });
        if (operation.kind === 'O') this.snapshot(operation);
        return;
      case 'assemble':
        return this.timed('assemble', operation, () => {
          this.assemble(operation);
        });
    }
  }

  private async attend(operation: Attend): Promise<void> {
    await this.timed('attention', operation, () => this.math.attend(operation));
  }

  private async timed(
    kind: ComputeKind,
    operation: Attend | Differentiate | Delta | Merge | Assemble,
    work: () => Promise<void> | void,
  ): Promise<void> {
    const { shape } = this.setup.sizes;
    const started = this.recorder.now();
    await work();
    // Before anything is counted, which behind a mask takes longer than small blocks do.
    const ended = this.recorder.now();
    const blocks = 'queries' in operation ? operation.queries : [operation.owner];
    const keyValue = operation.op !== 'delta' && 'kind' in operation && operation.kind === 'dK';
    const visible = 'queries' in operation ? this.math.rowsVisible(operation) : 0;
    this.recorder.compute({
      kind,
      round: operation.round,
      owner: blocks.length === 1 && !keyValue ? blocks[0]! : -1,
      keyOwner: keyValue ? blocks[0]! : 'keys' in operation && operation.keys.length === 1 ? operation.keys[0]! : -1,
      flops: 'queries' in operation ? flopsPerPair[operation.op] * this.math.takePairs() * shape.headSize : 0,
      rowsVisible: visible,
      skipped: 'queries' in operation && visible === 0,
      started,
      ended,
    });
  }

  private post({ exchange, round, sends, receives }: Exchange, pass: Pass): void {
    const destinations = [...new Set(sends.map(({ destination }) => destination))];
    const packed = sends.map(transfer => ({
      transfer,
      buffer: packTensor(this.store, transfer, pass, this.setup.sizes),
    }));
    const posted = this.recorder.now();
    for (const destination of destinations) {
      const tensors = packed
        .filter(({ transfer }) => transfer.destination === destination)
        .map(({ transfer: { kind, owner, hop, home }, buffer }) => ({ kind, owner, hop, home, buffer }));
      this.channel.send({
        source: this.setup.rank,
        destination,
        repetition: this.repetition,
        pass,
        round,
        exchange,
        posted,
        tensors,
      });
    }
    // A result that was sent is no longer here.
    for (const { kind, owner } of sends) {
      if (kind === 'O' && pass === 'forward') this.store.outputs.delete(owner);
      if (kind === 'dQ' || kind === 'dK' || kind === 'dV') this.store.setGradient(kind, owner, []);
    }
    this.store.arriving.set(
      exchange,
      receives.reduce((sum, { bytes }) => sum + bytes, 0),
    );
  }

  private wait({ exchange, receives }: Exchange, round: number, pass: Pass): void {
    const [first] = receives;
    if (!first) return;
    const started = this.recorder.now();
    const sources = [...new Set(receives.map(({ source }) => source))];
    const bundles = sources.map(source => this.channel.receive(source, exchange));
    this.recorder.wait({ round, kind: first.kind, owner: first.owner, started, ended: this.recorder.now() });
    unpackTensors(this.store, bundles, receives, pass, this.setup.sizes);
    this.store.arriving.delete(exchange);
  }

  private merge({ kind, owner }: Merge): void {
    if (kind === 'O') {
      const [first, ...others] = this.store.outputs.get(owner) ?? [];
      if (!first) return;
      for (const part of others) mergeInto(first, part);
      normalize(first);
      this.store.outputs.set(owner, [first]);
      if (this.setup.keepBlocks) this.keepOutput(owner, first);
      return;
    }
    for (const each of gradientsOf(kind)) {
      const merged: Piece[] = [];
      for (const part of this.store.gradientParts(each, owner)) {
        const same = merged.find(({ firstHead, heads }) => firstHead === part.firstHead && heads === part.heads);
        if (!same) merged.push(part);
        else for (let i = 0; i < same.data.length; i++) same.data[i]! += part.data[i]!;
      }
      this.store.setGradient(each, owner, merged);
    }
  }

  private keepOutput(owner: number, statistics: Statistics): void {
    const { firstHead, heads, rows, accumulator } = statistics;
    this.store.set('O', owner, { firstHead, heads, rows, data: accumulator.slice() });
    this.store.set('L', owner, { firstHead, heads, rows, data: logSumExp(statistics) });
  }

  /** Parts of the same heads, which repeated key-value heads give, are added. */
  private assemble({ kind, owner }: Assemble): void {
    const { shape } = this.setup.sizes;
    if (kind === 'O') {
      this.math.assembleOutput(owner);
      return;
    }
    const heads = kind === 'dQ' ? shape.queryHeads : shape.keyValueHeads;
    for (const each of gradientsOf(kind)) {
      const parts = this.store.gradientParts(each, owner);
      const rows = parts[0]?.rows ?? 0;
      const whole: Piece = { firstHead: 0, heads, rows, data: new Float32Array(heads * rows * shape.headSize) };
      for (const part of parts) {
        const place = headsOfPiece(whole, part.firstHead, part.heads);
        for (let i = 0; i < place.length; i++) place[i]! += part.data[i]!;
      }
      this.store.setGradient(each, owner, [whole]);
    }
  }

  private snapshot({ owner, round }: Merge): void {
    const [output] = this.store.outputs.get(owner) ?? [];
    if (!this.setup.snapshots || !output) return;
    this.recorder.snapshot({
      rank: this.setup.rank,
      owner,
      round,
      O: output.accumulator.slice(),
      L: logSumExp(output),
    });
  }
}

function gradientsOf(kind: 'dQ' | 'dK'): readonly GradientKind[] {
  return kind === 'dQ' ? ['dQ'] : ['dK', 'dV'];
}
