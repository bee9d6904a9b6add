/**
 * The links between ranks: a thread that takes up every bundle when it is posted and hands it on, at once or after the
 * time that an emulated link takes. It does nothing else, so its stamps are those of the transfers.
 */
import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import type { TransferEvent } from '../../trace/traffic/ledger.ts';
import { type Bundle, type EmulatedLink, type LinksMessage, type LinksSetup, sharedSlots } from './protocol.ts';

interface Pending {
  readonly bundle: Bundle;
  readonly start: number;
  readonly end: number;
}

const longestSleepMs = 50;

export function runLinks({ ranks, shared, epoch, link, ports }: LinksSetup): void {
  const now = (): number => Number(process.hrtime.bigint() - epoch);
  const tell = (message: LinksMessage): void => parentPort?.postMessage(message);
  const free = { leaving: new Float64Array(ranks), entering: new Float64Array(ranks) };
  let pending: Pending[] = [];

  const takeUp = (): void => {
    for (const port of ports) {
      for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) {
        const bundle = next.message as Bundle;
        const { source, destination, posted } = bundle;
        // A rank has one link in each direction; bundles queue on both.
        const start = link ? Math.max(posted, free.leaving[source]!, free.entering[destination]!) : now();
        const end = link ? start + durationOf(bundle, link) : start;
        free.leaving[source] = end;
        free.entering[destination] = end;
        pending.push({ bundle, start, end });
      }
    }
  };
  const deliver = (): void => {
    const time = now();
    const due = pending.filter(({ end }) => end <= time).toSorted((a, b) => a.end - b.end);
    if (due.length === 0) return;
    pending = pending.filter(({ end }) => end > time);
    for (const { bundle, start } of due) {
      // Stamped before it is handed over, because afterwards its buffers belong to the receiver.
      const transfers = eventsOf(bundle, start, now(), link);
      ports[bundle.destination]!.postMessage(
        bundle,
        bundle.tensors.map(({ buffer }) => buffer),
      );
      Atomics.sub(shared, sharedSlots.pending, 1);
      Atomics.add(shared, sharedSlots.ranks + bundle.destination, 1);
      Atomics.notify(shared, sharedSlots.ranks + bundle.destination);
      tell({ type: 'transfers', repetition: bundle.repetition, transfers });
    }
  };

  tell({ type: 'ready' });
  while (Atomics.load(shared, sharedSlots.abort) === 0) {
    const seen = Atomics.load(shared, sharedSlots.links);
    takeUp();
    deliver();
    const next = pending.reduce((earliest, { end }) => Math.min(earliest, end), Infinity);
    const sleep = Math.min(longestSleepMs, (next - now()) / 1e6);
    if (sleep > 0) Atomics.wait(shared, sharedSlots.links, seen, sleep);
  }
  takeUp();
  for (const { bundle, start } of pending) {
    tell({ type: 'transfers', repetition: bundle.repetition, transfers: eventsOf(bundle, start, NaN, link) });
  }
  tell({ type: 'stopped' });
  for (const port of ports) port.close();
}

/** Nanoseconds. */
function durationOf({ tensors }: Bundle, { latency, bandwidth }: EmulatedLink): number {
  const bytes = tensors.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  return (latency + bytes / bandwidth) * 1e9;
}

/** The tensors of a bundle follow each other on the link, each for its share of the bytes. */
function eventsOf(
  { source, destination, pass, round, posted, tensors }: Bundle,
  start: number,
  end: number,
  link: EmulatedLink | undefined,
): Omit<TransferEvent, 'run'>[] {
  const sizes = tensors.map(({ buffer }) => buffer.byteLength);
  const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
  const latency = link ? Math.min(link.latency * 1e9, end - start) : 0;
  let before = 0;
  return tensors.map(({ kind, owner, hop, home }, index) => {
    const at = (bytes: number): number => start + latency + ((end - start - latency) * bytes) / total;
    const started = before === 0 ? start : at(before);
    before += sizes[index]!;
    const ended = at(before);
    const bytes = sizes[index]!;
    return { layer: 0, pass, round, kind, owner, source, destination, bytes, hop, home, posted, started, ended };
  });
}
