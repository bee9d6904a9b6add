"""Messages between ranks. Both transports post a batch in the background, first in, first out, and say when it landed.

gloo: two threads per rank, one that sends and one that waits for what arrives, so that times are those of the messages
and not of somebody's wait(). NCCL: one stream beside the compute stream, timed with events.

An emulated slow link delivers `bytes` no sooner than latency + bytes / bandwidth after the link took the message up. The
sending thread sleeps before each chunk (token bucket); on NCCL a kernel that occupies one multiprocessor spins on the
communication stream for what the message would have taken, less what the real link takes (measured at start). Lanes that
were delayed so are marked "simulated" in the trace.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Callable, List, Optional, Tuple

import torch
import torch.distributed as dist

from .clock import now
from .progress import RunError

# Small enough that the emulated rate is even, large enough that waking up costs nothing beside it.
CHUNK_BYTES = 1 << 18
# How long the host takes to enqueue a program, generously.
_HOLD_BACK_SECONDS, _HOLD_BACK_PER_OPERATION = 0.01, 0.0006


@dataclass(frozen=True)
class SlowLink:
    """Emulated link: seconds per message, bytes per second of one direction."""

    latency: float
    bandwidth: float

    def seconds(self, count: int) -> float:
        return self.latency + count / self.bandwidth


@dataclass
class Outgoing:
    tensor: torch.Tensor
    destination: int
    on_start: Callable[[int], None]


@dataclass
class Incoming:
    buffer: torch.Tensor
    source: int
    on_end: Callable[[int], None]


@dataclass
class Batch:
    """Posted together. `landed` is set when all that it receives is there."""

    outgoing: List[Outgoing]
    incoming: List[Incoming]
    landed: threading.Event = field(default_factory=threading.Event)
    sent: threading.Event = field(default_factory=threading.Event)
    done: Optional["torch.cuda.Event"] = None


Failure = Callable[[RunError], None]


def link_error(error: Exception, peer: Optional[int] = None) -> RunError:
    """A connection broke: mostly since the rank at its other end did."""
    reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
    return RunError("link", f"The connection to {'another rank' if peer is None else f'rank {peer}'} broke: {reason}", "Run again; look at that rank's host.")


class GlooLink:
    """Messages through host memory; tensors on a GPU are copied through it."""

    name = "gloo"
    synchronous = True

    def __init__(self, device: torch.device, failed: Failure) -> None:
        self.slow: Optional[SlowLink] = None
        self._device, self._failed = device, failed
        self._posting = threading.Lock()
        self._outbox: "queue.SimpleQueue[Batch]" = queue.SimpleQueue()
        self._inbox: "queue.SimpleQueue[Tuple[Batch, list]]" = queue.SimpleQueue()
        self._free_at: dict = {}
        for target, name in ((self._send_all, "sender"), (self._receive_all, "receiver")):
            threading.Thread(target=target, name=name, daemon=True).start()

    def post(self, batch: Batch) -> None:
        works = []
        for incoming in batch.incoming:
            host = incoming.buffer if self._device.type == "cpu" else torch.empty_like(incoming.buffer, device="cpu")
            pieces = []
            for piece in self._pieces(host):
                try:
                    with self._posting:
                        pieces.append(dist.irecv(piece, incoming.source))
                except RuntimeError as error:
                    self._failed(link_error(error, incoming.source))
            works.append((host, pieces))
        self._inbox.put((batch, works))
        self._outbox.put(batch)

    def wait(self, batch: Batch) -> None:
        batch.landed.wait()

    def drain(self, batches: List[Batch]) -> None:
        for batch in batches:
            batch.landed.wait()
            batch.sent.wait()

    def barrier(self) -> None:
        dist.barrier()

    def hold_back(self, _: int) -> Optional[Callable[[], None]]:
        """The host drives every message, so there is nothing to enqueue ahead."""
        return None

    def _pieces(self, tensor: torch.Tensor) -> List[torch.Tensor]:
        flat = tensor.view(-1)
        if self.slow is None:
            return [flat]
        return list(flat.split(max(1, CHUNK_BYTES // tensor.element_size())))

    def _send_all(self) -> None:
        while True:
            batch = self._outbox.get()
            for outgoing in batch.outgoing:
                try:
                    self._send(outgoing)
                except Exception as error:  # whatever gloo throws, the run is over
                    self._failed(link_error(error, outgoing.destination))
                    return
            batch.sent.set()

    def _send(self, outgoing: Outgoing) -> None:
        host = outgoing.tensor.cpu()
        begun = time.monotonic()
        if self.slow is not None:
            begun = max(begun, self._free_at.get(outgoing.destination, 0.0))
            _sleep_until(begun)
        outgoing.on_start(now())
        count = 0
        for piece in self._pieces(host):
            count += piece.numel() * piece.element_size()
            if self.slow is not None:
                _sleep_until(begun + self.slow.seconds(count))
            with self._posting:
                work = dist.isend(piece, outgoing.destination)
            work.wait()
        if self.slow is not None:
            self._free_at[outgoing.destination] = begun + self.slow.seconds(count) - self.slow.latency

    def _receive_all(self) -> None:
        while True:
            batch, works = self._inbox.get()
            for incoming, (host, pieces) in zip(batch.incoming, works):
                try:
                    for work in pieces:
                        work.wait()
                    if host is not incoming.buffer:
                        incoming.buffer.copy_(host)
                except Exception as error:  # whatever gloo throws, the run is over
                    self._failed(link_error(error, incoming.source))
                    return
                incoming.on_end(now())
            batch.landed.set()


class NcclLink:
    """Messages between GPUs on a stream of their own. Times are read from events when the run is over."""

    name = "nccl"
    synchronous = False

    def __init__(self, device: torch.device, failed: Failure) -> None:
        self.slow: Optional[SlowLink] = None
        self._device, self._failed = device, failed
        # Transfers are short and few; they must not queue behind all blocks of an attention kernel.
        self._stream = torch.cuda.Stream(device, priority=-1)
        self._timed: List[Tuple[Batch, "torch.cuda.Event", "torch.cuda.Event"]] = []
        self._token = torch.zeros(1, device=device)
        self.barrier()
        self._cycles_per_second = self._calibrate()
        self.bandwidth = self.measure_bandwidth() if dist.get_world_size() > 1 else math.inf

    def post(self, batch: Batch) -> None:
        if not batch.outgoing and not batch.incoming:
            return
        compute = torch.cuda.current_stream(self._device)
        ready = torch.cuda.Event()
        ready.record(compute)
        self._stream.wait_event(ready)
        started, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        with torch.cuda.stream(self._stream):
            started.record()
            self._delay(batch)
            operations = [dist.P2POp(dist.isend, each.tensor, each.destination) for each in batch.outgoing]
            operations += [dist.P2POp(dist.irecv, each.buffer, each.source) for each in batch.incoming]
            try:
                for work in dist.batch_isend_irecv(operations):
                    work.wait()
            except RuntimeError as error:
                peers = [each.destination for each in batch.outgoing] + [each.source for each in batch.incoming]
                self._failed(link_error(error, peers[0]))
            ended.record()
        for tensor in [each.tensor for each in batch.outgoing] + [each.buffer for each in batch.incoming]:
            tensor.record_stream(self._stream)
        batch.done = ended
        self._timed.append((batch, started, ended))

    def wait(self, batch: Batch) -> None:
        """Makes the compute stream wait; returns at once."""
        if batch.done is not None:
            torch.cuda.current_stream(self._device).wait_event(batch.done)

    def drain(self, batches: List[Batch]) -> None:
        """Polls, so that the watch's thread gets its turns when a peer never answers."""
        for batch in batches:
            while batch.done is not None and not batch.done.query():
                time.sleep(0.0005)

    def resolve(self, at: Callable[["torch.cuda.Event"], int]) -> None:
        """Tells every message's times. `at` turns an event into nanoseconds of this rank's clock."""
        for batch, started, ended in self._timed:
            for outgoing in batch.outgoing:
                outgoing.on_start(at(started))
            for incoming in batch.incoming:
                incoming.on_end(at(ended))
        self._timed.clear()

    def barrier(self) -> None:
        dist.all_reduce(self._token)
        torch.cuda.synchronize(self._device)

    def hold_back(self, operations: int) -> Callable[[], None]:
        """A pause of the compute stream in which the host enqueues so many operations, then a barrier on the stream: what
        is measured is the devices' time and not Python's."""
        seconds = _HOLD_BACK_SECONDS + operations * _HOLD_BACK_PER_OPERATION

        def hold() -> None:
            torch.cuda._sleep(int(seconds * self._cycles_per_second))
            dist.all_reduce(self._token)

        return hold

    def measure_bandwidth(self, count: int = 1 << 28, times: int = 3) -> float:
        """Bytes per second of one direction while both are in use: every rank sends to the next one. Collective."""
        rank, ranks = dist.get_rank(), dist.get_world_size()
        sent = torch.zeros(count, dtype=torch.uint8, device=self._device)
        received = torch.empty_like(sent)
        best = 0.0
        for _ in range(times + 1):
            self.barrier()
            begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begun.record()
            operations = [dist.P2POp(dist.isend, sent, (rank + 1) % ranks), dist.P2POp(dist.irecv, received, (rank - 1) % ranks)]
            for work in dist.batch_isend_irecv(operations):
                work.wait()
            ended.record()
            ended.synchronize()
            best = max(best, count / (begun.elapsed_time(ended) / 1000))
        return best

    def _delay(self, batch: Batch) -> None:
        if self.slow is None or not batch.outgoing:
            return
        per_peer: dict = {}
        for outgoing in batch.outgoing:
            count = outgoing.tensor.numel() * outgoing.tensor.element_size()
            per_peer[outgoing.destination] = per_peer.get(outgoing.destination, 0) + count
        seconds = max(self.slow.seconds(count) - count / self.bandwidth for count in per_peer.values())
        if seconds > 0:
            torch.cuda._sleep(int(seconds * self._cycles_per_second))

    def _calibrate(self) -> float:
        """Clock cycles per second; the pause before it brings the clock to its full speed."""
        cycles = 100_000_000
        begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        for _ in range(3):
            torch.cuda._sleep(cycles)
        begun.record()
        torch.cuda._sleep(cycles)
        ended.record()
        ended.synchronize()
        return cycles / (begun.elapsed_time(ended) / 1000)


def _sleep_until(moment: float) -> None:
    while True:
        left = moment - time.monotonic()
        if left <= 0:
            return
        time.sleep(left)
