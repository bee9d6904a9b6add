"""The watch of one rank: a thread that beats, carries ledger events to the store, notices what ends a run, and ends it.

The main thread may be blocked in a transfer that will never complete, so everything about failure happens here: the
first fault is put down in the store, every rank sees it, hands in its events, and leaves; the lowest rank that still
lives writes the partial trace.
"""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import time
import traceback
from typing import Callable, Dict, List, NoReturn, Optional

import torch.distributed as dist

from .progress import RunError, say

BEAT_SECONDS = 0.2
_SETTLE_SECONDS = 1.2

Events = Dict[int, List[dict]]
WritePartial = Callable[[Events, RunError], Optional[str]]


class LockedStore:
    """A connection to the store serves one request at a time."""

    def __init__(self, store: dist.TCPStore) -> None:
        self._store, self._lock = store, threading.Lock()

    def add(self, key: str, amount: int) -> int:
        with self._lock:
            return self._store.add(key, amount)

    def set(self, key: str, value: str) -> None:
        with self._lock:
            self._store.set(key, value)

    def get(self, key: str) -> bytes:
        with self._lock:
            return self._store.get(key)


class Watch:
    """`store` must be a connection of its own: a store serves one thread at a time."""

    def __init__(self, store: dist.TCPStore, rank: int, ranks: int, silence_seconds: float, write: WritePartial) -> None:
        self._store, self.rank, self.ranks = LockedStore(store), rank, ranks
        self._silence, self._write = silence_seconds, write
        self._lock = threading.Lock()
        self._unsent: List[dict] = []
        self._kept: List[dict] = []
        self._neighbours: Dict[int, int] = {}
        self._wake_read, self._wake_write = os.pipe()
        self._reported: Optional[RunError] = None
        self._stopping = False
        self._parent = os.getppid()
        self._beats = {other: (0, time.monotonic()) for other in range(ranks)}
        self._thread = threading.Thread(target=self._guarded, name="watch", daemon=True)

    def start(self, neighbours: Dict[int, int]) -> None:
        """Called on the main thread: signals reach the watch through the pipe even while main waits inside C++.

        neighbours: process of every rank of this host
        """
        self._neighbours = neighbours
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._thread.start()

    def record(self, event: dict) -> None:
        """Keeps an event; it reaches the store with the next beat, so a rank that is killed leaves its ledger behind."""
        with self._lock:
            self._unsent.append(event)
            self._kept.append(event)

    def fail(self, error: RunError) -> NoReturn:
        """Ends the run of all ranks with this error. Does not return; callable from any thread but the watch's own."""
        if error.rank < 0:
            error.rank = self.rank
        self._reported = error
        os.write(self._wake_write, b"!")
        while True:
            time.sleep(60)

    def hand_over(self, stage: int) -> Optional[Events]:
        """After the last event of a job, on every rank: what all ranks recorded so far on rank 0, None elsewhere."""
        self._send_events()
        self._store.add(f"stage/{stage}", 1)
        if self.rank != 0:
            return None
        while self._store.add(f"stage/{stage}", 0) < self.ranks:
            time.sleep(0.01)
        return self._collect()

    def finish(self) -> None:
        """Nobody leaves before all are here, since rank 0 may host the store and a launcher ends all ranks with the first
        that fails. From here on nothing is a fault any more."""
        self._store.add("finished", 1)
        while self._store.add("finished", 0) < self.ranks:
            time.sleep(0.01)
        self._stopping = True
        os.write(self._wake_write, b".")
        self._thread.join()
        if self.rank != 0:
            self._store.add("left", 1)
            return
        deadline = time.monotonic() + 2
        while self._store.add("left", 0) < self.ranks - 1 and time.monotonic() < deadline:
            time.sleep(0.01)

    def _guarded(self) -> None:
        try:
            while not self._stopping:
                ready, _, _ = select.select([self._wake_read], [], [], BEAT_SECONDS)
                heard = os.read(self._wake_read, 64) if ready else b""
                if self._reported is not None:
                    self._end(self._put_down(self._reported))
                if bytes([signal.SIGTERM]) in heard or bytes([signal.SIGINT]) in heard:
                    self._end(self._why_terminated())
                self._look()
                self._send_events()
        except RuntimeError as error:
            # The store is gone, and with it whoever hosted it: what rank 0 knows by itself is all there is.
            reason = str(error).splitlines()[0][:120]
            gone = RunError("rank-lost", f"The launcher or rank 0 is gone ({reason}).", "Run again.", self.rank)
            if self.rank == 0:
                with self._lock:
                    kept = list(self._kept)
                self._keep({0: kept}, gone)
            self._leave(gone)
        except Exception as error:  # the main thread may wait for this one to end the process
            traceback.print_exc()
            self._leave(RunError("internal", f"The watch of rank {self.rank} failed: {type(error).__name__}: {error}", "", self.rank))

    def _keep(self, events: Events, error: RunError) -> None:
        """Writes the partial trace. What cannot be kept is no reason for any rank to stay."""
        try:
            path = self._write(events, error)
        except Exception as problem:
            if not isinstance(problem, OSError):
                traceback.print_exc()
            say("note", text=f"What the ranks had done could not be kept: {problem}")
            return
        if path is not None:
            say("trace", path=path, partial=True)

    def _look(self) -> None:
        self._store.add(f"beat/{self.rank}", 1)
        if os.getppid() != self._parent:
            self._end(self._put_down(RunError("cancelled", "The launcher ended.", "", self.rank)))
        if self._store.add("faults", 0) > 0:
            self._end(self._first_fault())
        # Rank 0 watches all others, they watch rank 0.
        silent = self._silent(range(self.ranks) if self.rank == 0 else [0], self._silence)
        if silent:
            self._end(self._put_down(self._lost(silent[0])))

    def _silent(self, others, seconds: float) -> List[int]:
        silent = []
        for other in others:
            if other == self.rank:
                continue
            beat = self._store.add(f"beat/{other}", 0)
            before, at = self._beats[other]
            if beat != before:
                self._beats[other] = (beat, time.monotonic())
            elif time.monotonic() - at > seconds:
                silent.append(other)
        return silent

    def _lost(self, other: int) -> RunError:
        return RunError(
            "rank-lost",
            f"Rank {other} was lost in mid-run: it stopped answering (killed, out of memory, or its host is gone).",
            "The trace holds what had been sent until then. Look at that host's log, then run again.",
            other,
        )

    def _quiet_ranks(self) -> List[int]:
        """Who has stopped beating, seen over a moment that is several beats long."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        first = {other: self._store.add(f"beat/{other}", 0) for other in range(self.ranks)}
        while time.monotonic() < deadline:
            self._store.add(f"beat/{self.rank}", 1)
            if self._store.add("faults", 0) > 0:
                break
            time.sleep(0.05)
        return [
            other
            for other, beat in first.items()
            if self._store.add(f"beat/{other}", 0) == beat and self._store.add(f"ending/{other}", 0) == 0
        ]

    def _why_terminated(self) -> RunError:
        """A launcher terminates all ranks when one died, and when the user cancels; beats tell the two apart."""
        self._store.add(f"ending/{self.rank}", 1)
        quiet = [other for other in self._quiet_ranks() if other != self.rank]
        if self._store.add("faults", 0) > 0:
            return self._first_fault()
        return self._put_down(self._lost(quiet[0]) if quiet else RunError("cancelled", "The run was cancelled."))

    def _put_down(self, error: RunError) -> RunError:
        """The first fault wins. A broken link is mostly the consequence of a lost rank: then that is the fault."""
        if error.code == "link":
            quiet = [other for other in self._quiet_ranks() if other != self.rank]
            if quiet and self._store.add("faults", 0) == 0:
                error = self._lost(quiet[0])
        if self._store.add("faults", 1) == 1:
            self._store.set("fault", json.dumps(error.as_line()))
            return error
        return self._first_fault()

    def _first_fault(self) -> RunError:
        content = json.loads(self._store.get("fault"))
        return RunError(content["code"], content["message"], content["hint"], content["rank"])

    def _end(self, error: RunError) -> NoReturn:
        self._store.add(f"ending/{self.rank}", 1)
        self._send_events()
        self._store.add(f"flushed/{self.rank}", 1)
        deadline = time.monotonic() + _SETTLE_SECONDS
        everybody = range(self.ranks)
        while time.monotonic() < deadline and not all(self._store.add(f"flushed/{r}", 0) for r in everybody):
            time.sleep(0.02)
        writer = next(rank for rank in everybody if rank == self.rank or self._store.add(f"flushed/{rank}", 0))
        if writer == self.rank:
            self._keep(self._collect(), error)
            say("error", **error.as_line())
            self._end_frozen(error)
            self._store.add("written", 1)
        else:
            # Whoever leaves first makes the launcher end the others, the writer too.
            try:
                while time.monotonic() < deadline + 5 and self._store.add("written", 0) == 0:
                    time.sleep(0.05)
            except RuntimeError:
                pass  # The writer hosted the store, and is done.
        self._leave(error, said=True)

    def _end_frozen(self, error: RunError) -> None:
        """A rank that does not answer does not hear the launcher either, which would wait half a minute for it."""
        process = self._neighbours.get(error.rank)
        if error.code == "rank-lost" and process is not None and error.rank != self.rank:
            try:
                os.kill(process, signal.SIGKILL)
            except OSError:
                pass

    def _leave(self, error: RunError, said: bool = False) -> NoReturn:
        if not said:
            say("error", **error.as_line())
        os._exit(error.exit_code)

    def _send_events(self) -> None:
        with self._lock:
            events, self._unsent = self._unsent, []
        if events:
            number = self._store.add(f"chunks/{self.rank}", 0)
            self._store.set(f"events/{self.rank}/{number}", json.dumps(events))
            self._store.add(f"chunks/{self.rank}", 1)

    def _collect(self) -> Events:
        return {
            rank: [
                event
                for number in range(self._store.add(f"chunks/{rank}", 0))
                for event in json.loads(self._store.get(f"events/{rank}/{number}"))
            ]
            for rank in range(self.ranks)
        }
