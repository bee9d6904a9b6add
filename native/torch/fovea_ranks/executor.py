"""Runs one rank's program. What is sent, when, and to whom is the schedule's business; this turns it into tensors."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional

import torch

from .attention import (
    Gradients,
    Partial,
    arithmetic_of,
    chunk_length,
    chunked_attention_gradients,
    empty_partial,
    merge,
    output_dot_gradient,
)
from .fused import BlockAttention
from .inputs import Inputs
from .link import Batch, GlooLink, Incoming, NcclLink, Outgoing
from .liveness import Uses, is_ever_used, is_next_used, uses_of
from .rank_state import MOVED, Piece, RankState
from .recorder import Recorder
from .schedule import Schedule, transfer
from .visibility import rows_that_see

# Multiplications and additions per (row, key, head, dim): two products forward, five backward (paper, section 3.2).
_FLOPS_FORWARD, _FLOPS_BACKWARD = 4, 10

AfterMerge = Callable[[int, str, int, List[Piece]], None]


class Executor:
    def __init__(
        self,
        state: RankState,
        inputs: Inputs,
        link: "GlooLink | NcclLink",
        attention: BlockAttention,
        after_merge: Optional[AfterMerge] = None,
    ) -> None:
        self.state, self.inputs, self.link, self.attention = state, inputs, link, attention
        self._after_merge = after_merge
        self._batches: Dict[int, Batch] = {}
        self._receives: Dict[int, list] = {}
        self._in_flight: List[tuple] = []
        self._scratch = 0

    def run(self, schedule: Schedule, recorder: Recorder, uses: Uses, offset: int, progress: Callable[[int], None]) -> None:
        """@param offset position of the program's first operation in `uses`. `recorder.begin` comes before this."""
        self._schedule, self._recorder, self._uses = schedule, recorder, uses
        self._batches.clear()
        handlers = {
            "exchange": self._exchange,
            "wait": self._wait,
            "attend": self._attend,
            "differentiate": self._differentiate,
            "delta": self._delta,
            "merge": self._merge,
            "assemble": self._assemble,
        }
        for index, operation in enumerate(schedule.operations(self.state.rank)):
            self._scratch = 0
            self._position = offset + index
            handlers[operation["op"]](operation)
            self._release()
            recorder.memory(recorder.stamp(), self._held())
            progress(index)
        last = recorder.stamp()
        self.link.drain(list(self._batches.values()))
        if not self.link.synchronous:
            torch.cuda.synchronize()
            self.link.resolve(recorder.nanoseconds)
        recorder.end(last if not isinstance(last, int) else recorder.stamp())
        recorder.resolve()
        self._in_flight.clear()

    def _exchange(self, operation: Dict[str, Any]) -> None:
        state, recorder, number = self.state, self._recorder, operation["round"]
        sends = [transfer(message) for message in operation["sends"]]
        receives = [transfer(message) for message in operation["receives"]]
        outgoing = []
        for message in sends:
            tensor = state.outgoing(message)
            recorder.posted(number, message)
            outgoing.append(Outgoing(tensor, message.destination, lambda at, m=message: recorder.started(m, at)))
        incoming = [
            Incoming(state.buffer(message), message.source, lambda at, m=message: recorder.ended(m, at))
            for message in receives
        ]
        batch = Batch(outgoing, incoming)
        self._batches[operation["exchange"]] = batch
        self._receives[operation["exchange"]] = receives
        self._in_flight.append((batch, sum(message.bytes for message in sends), sum(m.bytes for m in receives)))
        self.link.post(batch)

    def _wait(self, operation: Dict[str, Any]) -> None:
        number = operation["exchange"]
        batch, receives = self._batches[number], self._receives[number]
        started = self._recorder.stamp()
        self.link.wait(batch)
        if receives:
            self._recorder.waited(operation["round"], receives[0], started, self._recorder.stamp())
        for message, incoming in zip(receives, batch.incoming):
            self.state.arrive(message, incoming.buffer)
        self._in_flight = [
            (each, sent, 0 if each is batch else received) for each, sent, received in self._in_flight
        ]

    def _attend(self, operation: Dict[str, Any]) -> None:
        first, heads = operation["firstHead"], operation["heads"]
        flops = visible_rows = 0
        started = self._recorder.stamp()
        for block in operation["queries"]:
            query = self._queries("Q", block, first, heads)
            seeing = torch.zeros(query.shape[2], dtype=torch.bool)
            whole: Optional[Partial] = None
            for shard in operation["keys"]:
                key, _ = self._keys("K", shard, first, heads)
                value, _ = self._keys("V", shard, first, heads)
                visible = rows_that_see(self.inputs.host_intervals(block), query.shape[2], self._keys_of(shard))
                if not visible.any():
                    continue
                part = self.attention.run(query, key, value, self.inputs.intervals(block), self.inputs.first_key(shard))
                whole = part if whole is None else merge(whole, part)
                flops += _FLOPS_FORWARD * query.shape[2] * key.shape[2] * heads * query.shape[3]
                seeing |= visible
                self._scratch = max(self._scratch, self._score_bytes(query, key.shape[2]))
            visible_rows += int(seeing.sum())
            part = whole if whole is not None else empty_partial(query)
            self.state.add("O", block, first, part.output)
            self.state.add("L", block, first, part.log_sum_exp)
        self._computed(operation, "attention", started, flops, visible_rows)

    def _differentiate(self, operation: Dict[str, Any]) -> None:
        first, heads = operation["firstHead"], operation["heads"]
        flops = visible_rows = 0
        started = self._recorder.stamp()
        key_sums: Dict[int, List[torch.Tensor]] = {}
        for block in operation["queries"]:
            query = self._queries("Q", block, first, heads)
            gradient = self._queries("dO", block, first, heads)
            log_sum_exp = self._queries("L", block, first, heads)
            # Fused kernels derive D from the block's output, so they need it here; D alone may have travelled.
            fused = self.attention.gradients if self.state.has("O", block) else None
            output = delta = query.new_empty(0)
            if fused is not None:
                output = self._queries("O", block, first, heads)
            elif self.state.has("D", block):
                delta = self._queries("D", block, first, heads)
            else:
                delta = output_dot_gradient(self._queries("O", block, first, heads), gradient)
            seeing = torch.zeros(query.shape[2], dtype=torch.bool)
            query_sum = torch.zeros(query.shape, dtype=arithmetic_of(query.dtype), device=query.device)
            for shard in operation["keys"]:
                key, first_key_head = self._keys("K", shard, first, heads)
                value, _ = self._keys("V", shard, first, heads)
                visible = rows_that_see(self.inputs.host_intervals(block), query.shape[2], self._keys_of(shard))
                if not visible.any():
                    zero = torch.zeros(key.shape, dtype=arithmetic_of(key.dtype), device=key.device)
                    found = Gradients(query_sum, zero, torch.zeros_like(zero))
                else:
                    if fused is not None:
                        found = fused(query, key, value, log_sum_exp, gradient, output)
                    else:
                        found = chunked_attention_gradients(
                            query,
                            key,
                            value,
                            log_sum_exp,
                            gradient,
                            delta,
                            self.inputs.intervals(block),
                            self.inputs.first_key(shard),
                        )
                    query_sum += found.query
                    flops += _FLOPS_BACKWARD * query.shape[2] * key.shape[2] * heads * query.shape[3]
                    seeing |= visible
                    if fused is None:
                        self._scratch = max(self._scratch, 3 * self._score_bytes(query, key.shape[2]))
                if shard in key_sums:
                    for index, more in ((1, found.key), (2, found.value)):
                        key_sums[shard][index] = key_sums[shard][index].to(arithmetic_of(more.dtype)) + more
                else:
                    key_sums[shard] = [torch.tensor(first_key_head), found.key, found.value]
            visible_rows += int(seeing.sum())
            self.state.add_gradient("dQ", block, first, query_sum)
        for shard, (head, key_gradient, value_gradient) in key_sums.items():
            self.state.add_gradient("dK", shard, int(head), key_gradient, self._schedule.repeated)
            self.state.add_gradient("dV", shard, int(head), value_gradient, self._schedule.repeated)
        self._computed(operation, "gradient", started, flops, visible_rows)

    def _delta(self, operation: Dict[str, Any]) -> None:
        owner, heads = operation["owner"], self._schedule.query_heads
        started = self._recorder.stamp()
        output, gradient = (self._queries(kind, owner, 0, heads) for kind in ("O", "dO"))
        self.state.replace("D", owner, [Piece(0, output_dot_gradient(output, gradient))])
        self._recorder.compute(operation["round"], "delta", owner, -1, started, self._recorder.stamp())

    def _merge(self, operation: Dict[str, Any]) -> None:
        owner, kind = operation["owner"], operation["kind"]
        started = self._recorder.stamp()
        if kind == "O":
            self._merge_outputs(owner)
        else:
            for each in ("dQ",) if kind == "dQ" else ("dK", "dV"):
                self._sum_parts(each, owner)
        self._recorder.compute(operation["round"], "merge", owner, -1, started, self._recorder.stamp())
        if self._after_merge is not None:
            self._after_merge(operation["round"], kind, owner, self.state.parts(kind, owner))

    def _merge_outputs(self, owner: int) -> None:
        merged: Dict[tuple, Partial] = {}
        for output, statistic in zip(self.state.parts("O", owner), self.state.parts("L", owner)):
            heads = (output.first_head, output.heads)
            part = Partial(output.tensor.to(arithmetic_of(output.tensor.dtype)), statistic.tensor)
            merged[heads] = merge(merged[heads], part) if heads in merged else part
        handed_on = {kind: self._handed_on(kind, owner) for kind in ("O", "L")}
        self.state.replace("O", owner, handed_on["O"] + [Piece(h[0], p.output) for h, p in merged.items()])
        self.state.replace("L", owner, handed_on["L"] + [Piece(h[0], p.log_sum_exp) for h, p in merged.items()])

    def _sum_parts(self, kind: str, owner: int) -> None:
        sums: Dict[tuple, Piece] = {}
        for piece in self.state.parts(kind, owner):
            heads = (piece.first_head, piece.heads)
            wide = piece.tensor.to(arithmetic_of(piece.tensor.dtype))
            sums[heads] = Piece(piece.first_head, sums[heads].tensor + wide if heads in sums else wide, piece.repeated)
        self.state.replace(kind, owner, self._handed_on(kind, owner) + list(sums.values()))

    def _assemble(self, operation: Dict[str, Any]) -> None:
        owner, kind = operation["owner"], operation["kind"]
        started = self._recorder.stamp()
        for each in {"O": ("O",), "dQ": ("dQ",), "dK": ("dK", "dV")}[kind]:
            self._sum_parts_of_heads(each, owner)
        self._recorder.compute(operation["round"], "assemble", owner, -1, started, self._recorder.stamp())

    def _sum_parts_of_heads(self, kind: str, owner: int) -> None:
        """Side by side; parts of the same key heads, from ranks that shared them, are added."""
        self._sum_parts(kind, owner)
        pieces = sorted(self.state.parts(kind, owner), key=lambda piece: piece.first_head)
        whole = torch.cat([piece.tensor for piece in pieces], 1)
        self.state.replace(kind, owner, self._handed_on(kind, owner) + [Piece(0, whole)])

    def _handed_on(self, kind: str, owner: int) -> List[Piece]:
        return [piece for piece in self.state.all_pieces(kind, owner) if piece.handed_on]

    def _queries(self, kind: str, owner: int, first: int, heads: int) -> torch.Tensor:
        return self.state.query_side(kind, owner, first, heads)

    def _keys(self, kind: str, owner: int, first: int, heads: int) -> "tuple[torch.Tensor, int]":
        return self.state.key_side(kind, owner, first, heads)

    def _computed(self, operation: Dict[str, Any], kind: str, started: Any, flops: int, visible_rows: int) -> None:
        queries, keys = operation["queries"], operation["keys"]
        self._recorder.compute(
            operation["round"],
            kind,
            queries[0] if len(queries) == 1 else -1,
            keys[0] if len(keys) == 1 else -1,
            started,
            self._recorder.stamp(),
            flops,
            visible_rows,
            flops == 0,
        )

    def _release(self) -> None:
        """Lets go of what neither the rest of this program nor a backward program after it uses."""
        state = self.state
        for kind, owner in state.held():
            if state.is_own(kind, owner):
                continue
            if not is_next_used(self._uses, kind, owner, self._position):
                state.drop_handed_on(kind, owner)
                # What lies at home and was not handed on is a result.
                if owner != state.rank and not (kind in MOVED and is_ever_used(self._uses, kind, owner, self._position)):
                    state.drop(kind, owner)

    def _held(self) -> Dict[str, int]:
        self._in_flight = [
            (batch, sent, received)
            for batch, sent, received in self._in_flight
            if received > 0 or not (batch.sent.is_set() or (batch.done is not None and batch.done.query()))
        ]
        in_flight = sum(sent + received for _, sent, received in self._in_flight)
        return {**self.state.bytes_held(), "inFlight": in_flight, "scratch": self._scratch}

    def _score_bytes(self, query: torch.Tensor, keys: int) -> int:
        if self.attention.name != "chunked, float32" and self._schedule.pass_name == "forward":
            return 0
        size = 8 if query.dtype == torch.float64 else 4
        return query.shape[1] * query.shape[2] * min(keys, chunk_length(query)) * size

    def _keys_of(self, shard: int) -> range:
        first = self.inputs.first_key(shard)
        return range(first, first + self._schedule.key_rows[shard])


def combined_uses(schedules: List[Schedule], rank: int) -> "tuple[Uses, List[int]]":
    """Uses over programs that run one after the other on the same state, and where each begins."""
    operations: List[Dict[str, Any]] = []
    offsets = []
    for number, schedule in enumerate(schedules):
        offsets.append(len(operations))
        for operation in schedule.operations(rank):
            if operation["op"] in ("exchange", "wait"):
                # Exchange numbers start anew with every program.
                operation = {**operation, "exchange": (number, operation["exchange"])}
            operations.append(operation)
    return uses_of(operations), offsets

