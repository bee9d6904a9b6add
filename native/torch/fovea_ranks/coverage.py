"""What a schedule promises, found by running it with sets of shards instead of tensors: which shards a merged output has
seen, that no shard is counted twice, that every block comes home complete, and that nobody waits for ever."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, List, Tuple

from .progress import RunError
from .schedule import Schedule, transfer

Heads = Tuple[int, int]
# Of one merge: its round, then for each range of heads the shards that its output has seen.
Merged = Tuple[int, Dict[Heads, List[int]]]


class Coverage:
    """`merges[rank]` lists the merges of O in the order of the rank's program."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.merges: Dict[int, List[Merged]] = {rank: [] for rank in range(schedule.ranks)}
        self._parts: Dict[Tuple[int, int], List[Tuple[Heads, Counter]]] = {}
        self._mail: Dict[tuple, Counter] = {}
        self._run()

    def visits(self) -> Dict[int, List[int]]:
        """For every query block, the ranks that attend to it, by round."""
        found: Dict[int, List[Tuple[int, int]]] = {}
        for rank in range(self.schedule.ranks):
            for operation in self.schedule.operations(rank):
                if operation["op"] == "attend":
                    for block in operation["queries"]:
                        found.setdefault(block, []).append((operation["round"], rank))
        return {block: [rank for _, rank in sorted(places)] for block, places in found.items()}

    def _run(self) -> None:
        programs = {rank: self.schedule.operations(rank) for rank in range(self.schedule.ranks)}
        at = {rank: 0 for rank in programs}
        received: Dict[Tuple[int, int], list] = {}
        moved = True
        while moved:
            moved = False
            for rank, operations in programs.items():
                while at[rank] < len(operations) and self._step(rank, operations[at[rank]], received):
                    at[rank] += 1
                    moved = True
        stuck = [rank for rank, operations in programs.items() if at[rank] < len(operations)]
        if stuck:
            raise RunError("schedule", f"In this schedule rank {stuck[0]} waits for a message that is never sent.")
        if self.schedule.pass_name == "forward":
            self._check_home()

    def _step(self, rank: int, operation: Dict[str, Any], received: Dict[Tuple[int, int], list]) -> bool:
        name = operation["op"]
        if name == "exchange":
            for message in map(transfer, operation["sends"]):
                self._mail[message.key()] = self._take(rank, message.owner) if message.kind == "O" else Counter()
            received[rank, operation["exchange"]] = [transfer(each) for each in operation["receives"]]
        elif name == "wait":
            messages = received[rank, operation["exchange"]]
            if any(message.key() not in self._mail for message in messages):
                return False
            for message in messages:
                content = self._mail[message.key()]
                if message.kind == "O":
                    heads = (message.first_head, message.heads)
                    self._parts.setdefault((rank, message.owner), []).append((heads, content))
        elif name == "attend":
            heads = (operation["firstHead"], operation["heads"])
            for block in operation["queries"]:
                self._parts.setdefault((rank, block), []).append((heads, Counter(operation["keys"])))
        elif name == "merge" and operation["kind"] == "O":
            self._merge(rank, operation)
        return True

    def _take(self, rank: int, owner: int) -> Counter:
        parts = self._parts.pop((rank, owner), [])
        return sum((shards for _, shards in parts), Counter())

    def _merge(self, rank: int, operation: Dict[str, Any]) -> None:
        owner = operation["owner"]
        merged: Dict[Heads, Counter] = {}
        for heads, shards in self._parts.get((rank, owner), []):
            merged[heads] = merged.get(heads, Counter()) + shards
        for shards in merged.values():
            twice = [shard for shard, count in shards.items() if count > 1]
            if twice:
                raise RunError("schedule", f"Rank {rank} counts shard {twice[0]} twice for query block {owner}.")
        self._parts[rank, owner] = list(merged.items())
        self.merges[rank].append((operation["round"], {heads: sorted(found) for heads, found in merged.items()}))

    def _check_home(self) -> None:
        everything = [shard for shard in range(self.schedule.ranks) if self.schedule.key_rows[shard] > 0]
        for rank in range(self.schedule.ranks):
            if self.schedule.query_rows[rank] == 0:
                continue
            heads = [0] * self.schedule.query_heads
            for (first, count), shards in self._parts.get((rank, rank), []):
                whole = all(shards[shard] == 1 for shard in everything)
                for head in range(first, first + count):
                    heads[head] += 1 if whole else 0
            if heads != [1] * self.schedule.query_heads:
                raise RunError("schedule", f"In this schedule block {rank} does not come home complete.")
