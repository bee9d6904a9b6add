/** From a rank's store onto the wire and back. */
import type { ElementType, Pass, TensorKind, Transfer } from '../../trace/traffic/schedule.ts';
import { rowsOf, type Sizes, widthOf } from '../../trace/traffic/sizes.ts';
import { FoveaError } from '../errors.ts';
import type { Bundle } from './protocol.ts';
import { headsOfPiece, type Piece, type RankStore } from './rank-store.ts';
import { fromOutput, logSumExp } from './statistics.ts';
import { decodeWire, encodeWire } from './wire.ts';

function wireElement(kind: TensorKind, { wire }: Sizes): ElementType {
  switch (kind) {
    case 'L':
    case 'D':
      return 'F32';
    case 'O':
      return wire.output === 'float32' ? 'F32' : wire.element;
    case 'dQ':
    case 'dK':
    case 'dV':
      return wire.gradient === 'float32' ? 'F32' : wire.element;
    case 'Q':
    case 'K':
    case 'V':
    case 'dO':
      return wire.element;
  }
}

/** @throws Error where the schedule sends what is not there */
export function packTensor(store: RankStore, transfer: Transfer, pass: Pass, sizes: Sizes): ArrayBuffer {
  const piece = pieceToSend(store, transfer, pass);
  const data = headsOfPiece(piece, transfer.firstHead, transfer.heads);
  const width = widthOf(transfer.kind, sizes);
  return encodeWire(changeRows(data, piece.rows, transfer.rows, width), wireElement(transfer.kind, sizes));
}

function pieceToSend(store: RankStore, { kind, owner }: Transfer, pass: Pass): Piece {
  const missing = (): never => {
    throw new Error(`This rank has no ${kind} of rank ${owner} to send; the schedule is wrong.`);
  };
  if (kind === 'dQ' || kind === 'dK' || kind === 'dV') return store.gradientParts(kind, owner)[0] ?? missing();
  if (pass === 'backward' || (kind !== 'O' && kind !== 'L')) return store.find(kind, owner) ?? missing();
  const output = store.outputs.get(owner)?.[0] ?? missing();
  const { firstHead, heads, rows, accumulator } = output;
  return { firstHead, heads, rows, data: kind === 'O' ? accumulator : logSumExp(output) };
}

/** Pads every head with zeros, or takes the padding away. */
function changeRows(data: Float32Array, from: number, to: number, width: number): Float32Array {
  if (from === to || from === 0) return data;
  const heads = data.length / (from * width);
  const changed = new Float32Array(heads * to * width);
  for (let head = 0; head < heads; head++) {
    const start = head * from * width;
    changed.set(data.subarray(start, start + Math.min(from, to) * width), head * to * width);
  }
  return changed;
}

/** Puts what an exchange received where the next operations look for it. @throws FoveaError `shape-mismatch` */
export function unpackTensors(
  store: RankStore,
  bundles: readonly Bundle[],
  receives: readonly Transfer[],
  pass: Pass,
  sizes: Sizes,
): void {
  const arrived = receives.map(transfer => ({ transfer, piece: arrivedPiece(bundles, transfer, sizes) }));
  for (const { transfer, piece } of arrived) {
    const { kind, owner, source } = transfer;
    if (kind === 'dQ' || kind === 'dK' || kind === 'dV') {
      store.setGradient(kind, owner, [...store.gradientParts(kind, owner), piece]);
    } else if (pass === 'forward' && kind === 'O') {
      const statistics = arrived.find(
        ({ transfer: other }) => other.kind === 'L' && other.owner === owner && other.source === source,
      );
      // Parts of different heads come without L and are never merged.
      const logSums = statistics?.piece.data ?? new Float32Array(piece.heads * piece.rows);
      store.addOutput(owner, fromOutput(piece.data, logSums, piece));
    } else if (pass === 'backward' || kind !== 'L') {
      store.set(kind, owner, piece);
    }
  }
}

function arrivedPiece(bundles: readonly Bundle[], transfer: Transfer, sizes: Sizes): Piece {
  const { kind, owner, source, firstHead, heads, bytes } = transfer;
  const tensor = bundles
    .find(bundle => bundle.source === source)
    ?.tensors.find(candidate => candidate.kind === kind && candidate.owner === owner);
  if (tensor?.buffer.byteLength !== bytes) {
    const found = tensor ? `${tensor.buffer.byteLength} bytes` : 'nothing';
    throw new FoveaError(
      'shape-mismatch',
      `Rank ${source} was to send ${bytes} bytes of ${kind} of rank ${owner} and sent ${found}.`,
      'The ranks were given different sizes. Start the run again with one schedule for all of them.',
    );
  }
  const rows = rowsOf(kind, owner, sizes);
  const data = changeRows(
    decodeWire(tensor.buffer, wireElement(kind, sizes)),
    transfer.rows,
    rows,
    widthOf(kind, sizes),
  );
  return { firstHead, heads, rows, data };
}
