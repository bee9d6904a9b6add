"""Attention of one query block over one key-value shard, its gradient, and the merge of two partial results.

Shapes: query, output [batch, heads, rows, dim]; key, value [batch, keyValueHeads, keys, dim]; log-sum-exp [batch,
heads, rows], float32, natural logarithm of the sum of exp(scaled logits). A row that sees no key has output 0 and
log-sum-exp minus infinity. Grouped-query heads are folded into rows ([batch, keyValueHeads, group * rows, dim] is a
view), so keys and values are never repeated.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Optional

import torch

from .visibility import visible_keys

# Scores of one chunk, over all heads: 64 MiB in float32.
_SCORES_PER_CHUNK = 1 << 24
_NOTHING = -math.inf


class Partial(NamedTuple):
    """What one block of attention yields: normalised output and log-sum-exp."""

    output: torch.Tensor
    log_sum_exp: torch.Tensor


class Gradients(NamedTuple):
    """float32, with the shapes of query, key and value."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor


def arithmetic_of(dtype: torch.dtype) -> torch.dtype:
    """float64 stays float64 (the reference); everything else is computed in float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def fold_group(rows: torch.Tensor, key_value_heads: int) -> torch.Tensor:
    """[batch, heads, rows, ...] as [batch, keyValueHeads, group * rows, ...]: the query heads of one key head together."""
    batch, heads = rows.shape[:2]
    group = heads // key_value_heads
    return rows.contiguous().reshape(batch, key_value_heads, group * rows.shape[2], *rows.shape[3:])


def chunk_length(query: torch.Tensor) -> int:
    """Keys per chunk, so that the scores of one chunk stay small whatever the sequence length."""
    score_rows = max(1, query.shape[0] * query.shape[1] * query.shape[2])
    return max(32, _SCORES_PER_CHUNK // score_rows)


def empty_partial(query: torch.Tensor) -> Partial:
    """The neutral element of the merge: no key seen yet."""
    dtype = arithmetic_of(query.dtype)
    return Partial(
        torch.zeros(query.shape, dtype=dtype, device=query.device),
        torch.full(query.shape[:3], _NOTHING, dtype=dtype, device=query.device),
    )


def chunked_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    intervals: Optional[torch.Tensor] = None,
    first_key: int = 0,
    scale: Optional[float] = None,
    chunk: Optional[int] = None,
) -> Partial:
    """Exact attention with a running maximum over chunks of keys; runs everywhere. Output is in the arithmetic's dtype."""
    batch, heads, rows, dim = query.shape
    dtype = arithmetic_of(query.dtype)
    key_value_heads, keys = key.shape[1], key.shape[2]
    if keys == 0 or rows == 0:
        return empty_partial(query)
    group = heads // key_value_heads
    chunk = chunk or chunk_length(query)
    folded = fold_group(query, key_value_heads).to(dtype) * (dim**-0.5 if scale is None else scale)
    maximum = torch.full(folded.shape[:3], _NOTHING, dtype=dtype, device=query.device)
    total = torch.zeros_like(maximum)
    weighted = torch.zeros_like(folded)
    for start in range(0, keys, chunk):
        part = slice(start, min(start + chunk, keys))
        scores = folded @ key[:, :, part].to(dtype).transpose(-1, -2)
        visible = visible_keys(intervals, first_key + start, part.stop - start, query.device)
        if visible is not None:
            scores.masked_fill_(~visible.repeat(group, 1), _NOTHING)
        raised = torch.maximum(maximum, scores.amax(-1))
        # A row that has seen nothing yet has no finite maximum; -inf - (-inf) would be NaN.
        finite = torch.where(torch.isinf(raised), torch.zeros_like(raised), raised)
        weights = torch.exp(scores - finite[..., None])
        kept = torch.exp(maximum - finite)
        total = total * kept + weights.sum(-1)
        weighted = weighted * kept[..., None] + weights @ value[:, :, part].to(dtype)
        maximum = raised
    seen = total > 0
    output = torch.where(seen[..., None], weighted / total[..., None], torch.zeros_like(weighted))
    log_sum_exp = torch.where(seen, maximum + torch.log(total), torch.full_like(total, _NOTHING))
    return Partial(output.reshape(batch, heads, rows, dim), log_sum_exp.reshape(batch, heads, rows))


def merge(first: Partial, second: Partial) -> Partial:
    """Two partial results over disjoint keys as one over their union; both are rescaled by the larger log-sum-exp, so
    that neither large nor very negative logits overflow."""
    maximum = torch.maximum(first.log_sum_exp, second.log_sum_exp)
    finite = torch.where(torch.isinf(maximum), torch.zeros_like(maximum), maximum)
    weight_first = torch.exp(first.log_sum_exp - finite)
    weight_second = torch.exp(second.log_sum_exp - finite)
    total = weight_first + weight_second
    seen = total > 0
    mixed = weight_first[..., None] * first.output + weight_second[..., None] * second.output
    output = torch.where(seen[..., None], mixed / total[..., None], torch.zeros_like(mixed))
    return Partial(output, torch.where(seen, finite + torch.log(total), maximum))


def output_dot_gradient(output: torch.Tensor, output_gradient: torch.Tensor) -> torch.Tensor:
    """D = rowsum(dO * O), [batch, heads, rows]: computed once where the block lives, so that O need not travel again."""
    dtype = arithmetic_of(output.dtype)
    return (output.to(dtype) * output_gradient.to(dtype)).sum(-1)


def chunked_attention_gradients(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    log_sum_exp: torch.Tensor,
    output_gradient: torch.Tensor,
    delta: torch.Tensor,
    intervals: Optional[torch.Tensor] = None,
    first_key: int = 0,
    scale: Optional[float] = None,
    chunk: Optional[int] = None,
) -> Gradients:
    """This shard's part of dQ, and dK and dV of the shard from this query block (sums over the head group).

    log_sum_exp and delta are those of the finished block: over all shards, not only this one.
    """
    batch, heads, rows, dim = query.shape
    dtype = arithmetic_of(query.dtype)
    key_value_heads, keys = key.shape[1], key.shape[2]
    scale = dim**-0.5 if scale is None else scale
    key_gradient = torch.zeros(key.shape, dtype=dtype, device=key.device)
    value_gradient = torch.zeros_like(key_gradient)
    if keys == 0 or rows == 0:
        return Gradients(torch.zeros(query.shape, dtype=dtype, device=query.device), key_gradient, value_gradient)
    group = heads // key_value_heads
    chunk = chunk or chunk_length(query)
    folded = fold_group(query, key_value_heads).to(dtype) * scale
    outward = fold_group(output_gradient, key_value_heads).to(dtype)
    row_delta = fold_group(delta, key_value_heads).to(dtype)[..., None]
    normaliser = fold_group(log_sum_exp, key_value_heads).to(dtype)
    # A row that saw no key at all has no probabilities: exp(score - inf) = 0.
    normaliser = torch.where(torch.isinf(normaliser), torch.full_like(normaliser, math.inf), normaliser)[..., None]
    query_gradient = torch.zeros_like(folded)
    for start in range(0, keys, chunk):
        part = slice(start, min(start + chunk, keys))
        key_part, value_part = key[:, :, part].to(dtype), value[:, :, part].to(dtype)
        probability = torch.exp(folded @ key_part.transpose(-1, -2) - normaliser)
        visible = visible_keys(intervals, first_key + start, part.stop - start, query.device)
        if visible is not None:
            probability.masked_fill_(~visible.repeat(group, 1), 0.0)
        score_gradient = probability * (outward @ value_part.transpose(-1, -2) - row_delta)
        value_gradient[:, :, part] = probability.transpose(-1, -2) @ outward
        key_gradient[:, :, part] = score_gradient.transpose(-1, -2) @ folded
        query_gradient += score_gradient @ key_part
    return Gradients((query_gradient * scale).reshape(query.shape), key_gradient, value_gradient)
