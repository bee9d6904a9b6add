"""One time line for all ranks: nanoseconds of rank 0's monotonic clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import List

import torch
import torch.distributed as dist

from .members import Member

_PINGS = 40


@dataclass(frozen=True)
class ClockOffset:
    """`offset` is added to a rank's clock to get rank 0's; the truth is within `error` of it. Nanoseconds."""

    rank: int
    offset: int
    error: int


def now() -> int:
    return time.monotonic_ns()


def measure_offsets(members: List[Member], rank: int) -> List[ClockOffset]:
    """Ranks of one host share one clock. Others exchange pings with rank 0; the fastest round trip bounds the error.

    Collective: every rank calls it. The result is complete on rank 0; other ranks get their own entry right.
    """
    offsets = [ClockOffset(member.rank, 0, 0) for member in members]
    if len({member.host for member in members}) == 1:
        return offsets
    group = dist.new_group(backend="gloo")
    for member in members:
        if member.host == members[0].host:
            continue
        if rank == 0:
            offsets[member.rank] = _ping(member.rank, group)
        elif rank == member.rank:
            _answer(group)
    return offsets


def _ping(rank: int, group: "dist.ProcessGroup") -> ClockOffset:
    best = ClockOffset(rank, 0, 1 << 62)
    stamp = torch.zeros(1, dtype=torch.int64)
    for _ in range(_PINGS):
        sent = now()
        dist.send(stamp, rank, group=group)
        dist.recv(stamp, rank, group=group)
        received = now()
        error = (received - sent) // 2
        if error < best.error:
            best = ClockOffset(rank, sent + error - int(stamp), error)
    return best


def _answer(group: "dist.ProcessGroup") -> None:
    stamp = torch.zeros(1, dtype=torch.int64)
    for _ in range(_PINGS):
        dist.recv(stamp, 0, group=group)
        stamp[0] = now()
        dist.send(stamp, 0, group=group)
