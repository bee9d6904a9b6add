"""The same attention on one device, in float64, written apart from the code that it checks: K and V are repeated over the
head group, softmax is taken over all keys at once, gradients are autograd's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import torch

from .inputs import Inputs

# Scores in float64, over all heads, that are held at once: 1 GiB.
_SCORES = 1 << 27


@dataclass(frozen=True)
class Agreement:
    """How far a result is from the reference; fields as in trace/traffic/ledger.ts."""

    max_abs: float
    rel_l2: float
    cosine: float
    lse_max_abs: float
    not_finite: int
    masked_non_zero: int


def sampled_rows(rows: int, shards_times_rows: int, limit: int) -> Optional[torch.Tensor]:
    """None for all rows; otherwise evenly spread row numbers, so that the reference stays affordable."""
    if shards_times_rows <= limit:
        return None
    count = max(1, min(rows, 16))
    return torch.linspace(0, rows - 1, count).round().long().unique()


def reference_rows(
    inputs: Inputs, owner: int, shards: List[int], rows: Optional[torch.Tensor]
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Output [1, heads, rows, dim] and log-sum-exp [1, heads, rows] in float64 over these shards, at the sampled rows."""
    schedule = inputs.schedule
    group = schedule.query_heads // schedule.key_value_heads
    query = inputs.block("Q", owner, torch.float64)
    intervals = inputs.intervals(owner)
    if rows is not None:
        rows = rows.to(query.device)
        query = query[:, :, rows]
        intervals = None if intervals is None else intervals[rows]
    query = query / math.sqrt(schedule.head_size)
    log_sum_exp = torch.full(query.shape[:3], -math.inf, dtype=torch.float64, device=query.device)
    output = torch.zeros_like(query)
    step = max(1, _SCORES // max(1, query.shape[1] * query.shape[2]))
    # Two passes: first the normaliser over all keys, then plain probabilities; no rescaling anywhere.
    for final in (False, True):
        for shard in shards:
            key = inputs.block("K", shard)
            value = inputs.block("V", shard) if final else None
            for start in range(0, key.shape[2], step):
                stop = min(start + step, key.shape[2])
                scores = query @ key[:, :, start:stop].double().repeat_interleave(group, 1).transpose(-1, -2)
                if intervals is not None:
                    position = torch.arange(start, stop, device=query.device) + inputs.first_key(shard)
                    hidden = (position < intervals[:, :1]) | (position >= intervals[:, 1:])
                    scores = scores.masked_fill(hidden, -math.inf)
                if value is None:
                    log_sum_exp = torch.logaddexp(log_sum_exp, torch.logsumexp(scores, -1))
                else:
                    probability = torch.exp(scores - log_sum_exp[..., None]).nan_to_num(0.0)
                    output += probability @ value[:, :, start:stop].double().repeat_interleave(group, 1)
    return output, log_sum_exp


def reference_gradients(inputs: Inputs) -> Dict[str, List[torch.Tensor]]:
    """dQ, dK and dV of every shard, float64, by autograd through dense attention over everything. For small sizes."""
    schedule = inputs.schedule
    ranks = range(schedule.ranks)
    group = schedule.query_heads // schedule.key_value_heads
    leaves = {
        kind: [inputs.block(kind, owner, torch.float64).requires_grad_() for owner in ranks] for kind in ("Q", "K", "V")
    }
    query, key, value = (torch.cat(leaves[kind], 2) for kind in ("Q", "K", "V"))
    gradient = torch.cat([inputs.block("dO", owner, torch.float64) for owner in ranks], 2)
    scores = query @ key.repeat_interleave(group, 1).transpose(-1, -2) / math.sqrt(schedule.head_size)
    if inputs.visible is not None:
        intervals = torch.cat([inputs.intervals(owner) for owner in ranks])
        position = torch.arange(key.shape[2], device=key.device)
        seen = (position >= intervals[:, :1]) & (position < intervals[:, 1:])
        # A finite mask keeps autograd's softmax free of NaN; rows that see nothing are cut out by the product.
        scores = scores.masked_fill(~seen, -1e30)
        probability = torch.softmax(scores, -1) * seen
    else:
        probability = torch.softmax(scores, -1)
    output = probability @ value.repeat_interleave(group, 1)
    order = [(kind, owner) for kind in ("Q", "K", "V") for owner in ranks]
    found = torch.autograd.grad(output, [leaves[kind][owner] for kind, owner in order], gradient)
    gradients: Dict[str, List[torch.Tensor]] = {"dQ": [], "dK": [], "dV": []}
    for (kind, _), tensor in zip(order, found):
        gradients[f"d{kind}"].append(tensor)
    return gradients


def sampled_gradients(
    inputs: Inputs, owner: int, rows: torch.Tensor, keys: torch.Tensor, finals: Dict[int, Tuple[torch.Tensor, torch.Tensor]]
) -> Dict[str, torch.Tensor]:
    """dQ at these rows of the owner's block, dK and dV at these rows of its shard, float64, over everything.

    finals: output and log-sum-exp of all rows of every block, float64, over all keys (reference_rows).
    """
    schedule = inputs.schedule
    group = schedule.query_heads // schedule.key_value_heads
    scale = schedule.head_size**-0.5
    rows, keys = rows.to(inputs.device), keys.to(inputs.device)
    deltas = {
        block: (output * inputs.block("dO", block, torch.float64)).sum(-1) for block, (output, _) in finals.items()
    }

    def repeated(kind: str, shard: int, which: "slice | torch.Tensor") -> torch.Tensor:
        return inputs.block(kind, shard)[:, :, which].double().repeat_interleave(group, 1)

    def hidden(block: int, at: "slice | torch.Tensor", position: torch.Tensor) -> Optional[torch.Tensor]:
        intervals = inputs.intervals(block)
        if intervals is None:
            return None
        return (position < intervals[at, :1]) | (position >= intervals[at, 1:])

    def probabilities(scores: torch.Tensor, log_sum_exp: torch.Tensor, mask: Optional[torch.Tensor]) -> torch.Tensor:
        found = torch.exp(scores - log_sum_exp[..., None]).nan_to_num(0.0, 0.0, 0.0)
        return found if mask is None else found.masked_fill(mask, 0.0)

    query = inputs.block("Q", owner, torch.float64)[:, :, rows]
    outward = inputs.block("dO", owner, torch.float64)[:, :, rows]
    query_gradient = torch.zeros_like(query)
    step = max(1, _SCORES // 4 // max(1, query.shape[1] * max(query.shape[2], query.shape[3])))
    for shard in range(schedule.ranks):
        for start in range(0, schedule.key_rows[shard], step):
            part = slice(start, min(start + step, schedule.key_rows[shard]))
            key, value = repeated("K", shard, part), repeated("V", shard, part)
            position = torch.arange(part.start, part.stop, device=query.device) + inputs.first_key(shard)
            probability = probabilities(
                query @ key.transpose(-1, -2) * scale, finals[owner][1][:, :, rows], hidden(owner, rows, position)
            )
            score_gradient = probability * (outward @ value.transpose(-1, -2) - deltas[owner][:, :, rows, None])
            query_gradient += score_gradient @ key * scale
    own_key, own_value = repeated("K", owner, keys), repeated("V", owner, keys)
    key_gradient, value_gradient = torch.zeros_like(own_key), torch.zeros_like(own_value)
    position = keys + inputs.first_key(owner)
    for block in range(schedule.ranks):
        query, outward = (inputs.block(kind, block, torch.float64) for kind in ("Q", "dO"))
        probability = probabilities(
            query @ own_key.transpose(-1, -2) * scale, finals[block][1], hidden(block, slice(None), position)
        )
        score_gradient = probability * (outward @ own_value.transpose(-1, -2) - deltas[block][..., None])
        value_gradient += probability.transpose(-1, -2) @ outward
        key_gradient += score_gradient.transpose(-1, -2) @ query * scale

    def summed(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.unflatten(1, (schedule.key_value_heads, group)).sum(2)

    return {"dQ": query_gradient, "dK": summed(key_gradient), "dV": summed(value_gradient)}


def compare(
    found: torch.Tensor,
    expected: torch.Tensor,
    log_sum_exp: Optional[torch.Tensor] = None,
    expected_log_sum_exp: Optional[torch.Tensor] = None,
    dead_rows: Optional[torch.Tensor] = None,
) -> Agreement:
    """`dead_rows` is True for rows that see no key at all."""
    found, expected = found.double(), expected.double()
    finite = torch.isfinite(found)
    clean = torch.where(finite, found, torch.zeros_like(found))
    difference = clean - expected
    norm, found_norm = float(expected.norm()), float(clean.norm())
    distance = float(difference.norm())
    lse = math.nan
    if log_sum_exp is not None and expected_log_sum_exp is not None:
        seen = torch.isfinite(expected_log_sum_exp)
        same = bool((torch.isfinite(log_sum_exp) == seen).all())
        gap = (log_sum_exp.double() - expected_log_sum_exp)[seen].abs()
        lse = (float(gap.max()) if gap.numel() else 0.0) if same else math.inf
    masked = 0
    if dead_rows is not None and dead_rows.any():
        masked = int((found[:, :, dead_rows] != 0).sum())
    both_zero = norm == 0 and found_norm == 0
    return Agreement(
        float(difference.abs().max()) if found.numel() else 0.0,
        distance / norm if norm > 0 else (0.0 if distance == 0 else math.inf),
        1.0 if both_zero else float((clean * expected).sum()) / max(norm * found_norm, 1e-300),
        lse,
        int((~finite).sum()),
        masked,
    )
