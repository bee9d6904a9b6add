"""Times and sizes of one rank's run, as events for the watch. On NCCL times are GPU events, read when the run is over."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple, Union

import torch

from .clock import now
from .schedule import Transfer

Stamp = Union[int, "torch.cuda.Event"]


class Recorder:
    def __init__(
        self, emit: Callable[[dict], None], run: int, repeat: int, rank: int, device: torch.device, on_stream: bool
    ) -> None:
        self._emit, self._run, self._repeat, self.rank = emit, run, repeat, rank
        self._on_stream = on_stream
        # GPU work beside gloo is timed by the host, so the host has to see the end of it.
        self._waits_for = device if device.type == "cuda" and not on_stream else None
        self._pending: List[Tuple[Dict[str, Any], Stamp, Stamp]] = []
        self._anchor: Optional[Tuple["torch.cuda.Event", int]] = None
        self._launched: Optional[Stamp] = None

    def begin(self, hold_back: Optional[Callable[[], None]] = None) -> None:
        """`hold_back` keeps the stream busy while the program is enqueued behind it; time then starts where it ends."""
        if self._on_stream:
            anchor = torch.cuda.Event(enable_timing=True)
            anchor.record()
            anchor.synchronize()
            self._anchor = (anchor, now())
        self._say({"e": "begin", "rank": self.rank, "at": now()})
        if self._on_stream and hold_back is not None:
            hold_back()
            self._launched = self.stamp()

    def end(self, at: Stamp) -> None:
        self._say({"e": "end", "rank": self.rank, "at": self.nanoseconds(at)})

    def stamp(self) -> Stamp:
        if self._waits_for is not None:
            torch.cuda.synchronize(self._waits_for)
        if not self._on_stream:
            return now()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def nanoseconds(self, stamp: Stamp) -> int:
        if isinstance(stamp, int):
            return stamp
        assert self._anchor is not None
        event, at = self._anchor
        return at + round(event.elapsed_time(stamp) * 1e6)

    def posted(self, round_number: int, message: Transfer) -> None:
        """Bytes are counted here, when the message is posted, from the tensor that is sent."""
        self._say(
            {
                "e": "posted",
                "key": message.key(),
                "round": round_number,
                "bytes": message.bytes,
                "home": message.home,
                "at": now(),
            }
        )

    def started(self, message: Transfer, at: int) -> None:
        self._say({"e": "started", "key": message.key(), "at": at})

    def ended(self, message: Transfer, at: int) -> None:
        self._say({"e": "ended", "key": message.key(), "at": at})

    def compute(
        self,
        round_number: int,
        kind: str,
        owner: int,
        key_owner: int,
        started: Stamp,
        ended: Stamp,
        flops: int = 0,
        rows_visible: int = 0,
        skipped: bool = False,
    ) -> None:
        event = {
            "e": "compute",
            "round": round_number,
            "kind": kind,
            "owner": owner,
            "keyOwner": key_owner,
            "flops": flops,
            "rowsVisible": rows_visible,
            "skipped": skipped,
            "rank": self.rank,
        }
        self._interval(event, started, ended)

    def waited(self, round_number: int, message: Transfer, started: Stamp, ended: Stamp) -> None:
        event = {"e": "wait", "round": round_number, "kind": message.kind, "owner": message.owner, "rank": self.rank}
        self._interval(event, started, ended)

    def memory(self, at: Stamp, held: Dict[str, int]) -> None:
        self._interval({"e": "memory", "rank": self.rank, **held}, at, at)

    def resolve(self) -> None:
        """Reads the events of the GPU. The device must be done with them."""
        if self._launched is not None:
            self._say({"e": "launched", "rank": self.rank, "at": self.nanoseconds(self._launched)})
        for event, started, ended in self._pending:
            self._say({**event, "started": self.nanoseconds(started), "ended": self.nanoseconds(ended)})
        self._pending.clear()

    def _interval(self, event: Dict[str, Any], started: Stamp, ended: Stamp) -> None:
        if isinstance(started, int) and isinstance(ended, int):
            self._say({**event, "started": started, "ended": ended})
        else:
            self._pending.append((event, started, ended))

    def _say(self, event: Dict[str, Any]) -> None:
        self._emit({"run": self._run, "repeat": self._repeat, **event})
