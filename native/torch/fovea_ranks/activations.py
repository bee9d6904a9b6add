"""Measures what a stack of distributed cross-attention layers keeps between forward and backward, with Q, K, V saved and
with them recomputed, against the formulas; and that both give the same gradients (paper, section 3.2)."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Tuple

import torch

from .cross_attention import Projections, cross_attention
from .executor import Executor, combined_uses
from .inputs import Inputs
from .link import GlooLink, NcclLink
from .fused import BlockAttention
from .progress import RunError
from .rank_state import RankState
from .recorder import Recorder
from .schedule import Schedule


class ScheduledAttention:
    """Distributed attention by a forward and a backward schedule, on tensors that come from outside."""

    def __init__(
        self,
        schedules: Tuple[Schedule, Schedule],
        inputs: Inputs,
        rank: int,
        link: "GlooLink | NcclLink",
        attention: BlockAttention,
    ) -> None:
        if schedules[0].algorithm == "ulysses":
            raise RunError("schedule", "Ulysses keeps tensors of other ranks between the passes.", "Take lv-xattn or ring.")
        self._schedules, self._inputs, self._rank = schedules, inputs, rank
        self._link, self._attention = link, attention

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        state = self._run(self._schedules[0], {"Q": query, "K": key, "V": value})
        output, statistic = (state.parts(kind, self._rank)[-1].tensor for kind in ("O", "L"))
        return output.to(query.dtype), statistic

    def backward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        output: torch.Tensor,
        log_sum_exp: torch.Tensor,
        output_gradient: torch.Tensor,
    ) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        state = self._run(
            self._schedules[1],
            {"Q": query, "K": key, "V": value, "O": output, "L": log_sum_exp, "dO": output_gradient},
        )
        found = {kind: state.parts(kind, self._rank)[-1].tensor for kind in ("dQ", "dK", "dV")}
        for kind in ("dK", "dV"):
            if found[kind].shape[1] != key.shape[1]:
                found[kind] = found[kind].unflatten(1, (key.shape[1], -1)).sum(2)
        return found["dQ"], found["dK"], found["dV"]

    def _run(self, schedule: Schedule, own: Dict[str, torch.Tensor]) -> RankState:
        state = RankState(schedule, self._rank, self._inputs.device)
        for kind, tensor in own.items():
            state.put_own(kind, tensor.detach())
        if schedule.repeated:
            state.repeat_own_keys()
        uses, starts = combined_uses([schedule], self._rank)
        executor = Executor(state, self._inputs, self._link, self._attention)
        recorder = Recorder(lambda _: None, 0, 0, self._rank, self._inputs.device, not self._link.synchronous)
        recorder.begin()
        executor.run(schedule, recorder, uses, starts[0], lambda _: None)
        return state


class Stack:
    """Seeded layers on this rank's shards: a block of x per layer, one y for all of them."""

    def __init__(self, inputs: Inputs, rank: int, layers: int, text_width: int, visual_width: int) -> None:
        schedule = inputs.schedule
        generator = torch.Generator(inputs.device)

        def noise(seed: int, shape: Tuple[int, ...], spread: float) -> torch.Tensor:
            generator.manual_seed(inputs.seed * 7_919 + seed)
            drawn = torch.randn(shape, generator=generator, device=inputs.device) * spread
            return drawn.to(schedule.element).requires_grad_()

        own = 1_000 * (rank + 1)
        dim = schedule.head_size
        self.head_size = dim
        self.visual = noise(own, (1, schedule.key_rows[rank], visual_width), 1.0)
        self.texts = [noise(own + 1 + layer, (1, schedule.query_rows[rank], text_width), 1.0) for layer in range(layers)]
        self.weights = [
            Projections(
                noise(10 * layer, (schedule.query_heads * dim, text_width), text_width**-0.5),
                noise(10 * layer + 1, (schedule.key_value_heads * dim, visual_width), visual_width**-0.5),
                noise(10 * layer + 2, (schedule.key_value_heads * dim, visual_width), visual_width**-0.5),
                None,
                None,
            )
            for layer in range(layers)
        ]

    def leaves(self) -> List[torch.Tensor]:
        weights = [weight for layer in self.weights for weight in layer if weight is not None]
        return [self.visual, *self.texts, *weights]


def kept_bytes(
    schedule: Schedule, rank: int, layers: int, text_width: int, visual_width: int, recompute: bool
) -> int:
    """What the layers keep between the passes by the formulas, weights not counted.

    Saving also needs x and y, for the gradients of the weights of their projections.
    """
    rows, keys = schedule.query_rows[rank], schedule.key_rows[rank]
    element = schedule.element.itemsize if hasattr(schedule.element, "itemsize") else _SIZES[schedule.element]
    query = element * rows * schedule.query_heads * schedule.head_size
    statistic = 4 * rows * schedule.query_heads
    shared = element * keys * visual_width + layers * (element * rows * text_width + query + statistic)
    key_value = 2 * element * keys * schedule.key_value_heads * schedule.head_size
    return shared if recompute else shared + layers * (query + key_value)


_SIZES = {torch.float32: 4, torch.float16: 2, torch.bfloat16: 2}


def measure(
    stack: Stack, attention: ScheduledAttention, recompute: bool, device: torch.device, barrier: Callable[[], None]
) -> Tuple[Dict[str, Any], List[torch.Tensor]]:
    """One forward and backward pass over all layers. Returns what it kept, its peak and time, and the gradients."""
    weights = {weight.data_ptr() for layer in stack.weights for weight in layer if weight is not None}
    kept: Dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device) if on_gpu else 0
    barrier()
    begun = time.monotonic()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = [
            cross_attention(text, stack.visual, weights_of, stack.head_size, attention, recompute)
            for text, weights_of in zip(stack.texts, stack.weights)
        ]
    if on_gpu:
        torch.cuda.synchronize(device)
    middle = time.monotonic()
    allocated = torch.cuda.memory_allocated(device) - before if on_gpu else None
    loss = sum(output.float().pow(2).sum() for output in outputs)
    gradients = torch.autograd.grad(loss, stack.leaves())
    if on_gpu:
        torch.cuda.synchronize(device)
    ended = time.monotonic()
    found = {
        "recompute": recompute,
        "keptBytes": sum(kept.values()),
        "allocatedBytes": allocated,
        # Above what was held before: layers, and gradients of the mode that was measured first.
        "peakBytes": torch.cuda.max_memory_allocated(device) - before if on_gpu else None,
        "forwardSeconds": middle - begun,
        "backwardSeconds": ended - middle,
    }
    return found, list(gradients)


def compare_modes(
    inputs: Inputs,
    schedules: Tuple[Schedule, Schedule],
    rank: int,
    link: "GlooLink | NcclLink",
    attention: BlockAttention,
    layers: int,
    text_width: int,
    visual_width: int,
) -> Dict[str, Any]:
    """Both modes on the same layers, one rank's view. Collective."""
    stack = Stack(inputs, rank, layers, text_width, visual_width)
    scheduled = ScheduledAttention(schedules, inputs, rank, link, attention)
    modes, gradients = [], []
    for recompute in (False, True):
        # Once unmeasured: first calls allocate and tune.
        measure(stack, scheduled, recompute, inputs.device, link.barrier)
        found, gradient = measure(stack, scheduled, recompute, inputs.device, link.barrier)
        found["formulaBytes"] = kept_bytes(schedules[0], rank, layers, text_width, visual_width, recompute)
        modes.append(found)
        gradients.append(gradient)
    difference = max(
        (float((one - other).abs().max()) / max(1e-30, float(one.abs().max())) for one, other in zip(*gradients) if one.numel()),
        default=0.0,
    )
    return {"rank": rank, "layers": layers, "modes": modes, "gradientDifference": difference}
