"""A trainable cross-attention layer whose attention is distributed, with activation recomputation (paper, section 3.2).

Visual features y are the same for all cross-attention layers, only x changes. So a layer keeps x, O and L; Q, K and V are
projected again in the backward pass. RMS normalisation of Q and K (mllama) is part of what is repeated.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Protocol, Tuple

import torch


class DistributedAttention(Protocol):
    """One rank's part of a collective: all ranks call it in the same order. Tensors are those of this rank's shards."""

    def forward(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> Tuple[torch.Tensor, torch.Tensor]: ...

    def backward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        output: torch.Tensor,
        log_sum_exp: torch.Tensor,
        output_gradient: torch.Tensor,
    ) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]: ...


class Projections(NamedTuple):
    """Weights [outputs, inputs] of one layer, and the scales of the norms [headSize], None without norms."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    query_norm: Optional[torch.Tensor]
    key_norm: Optional[torch.Tensor]


def project(
    text: torch.Tensor, visual: torch.Tensor, weights: Projections, head_size: int
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """text [1, rows, width], visual [1, keys, visualWidth] to Q, K, V [1, heads, rows or keys, headSize]."""

    def heads(states: torch.Tensor, weight: torch.Tensor, scale: Optional[torch.Tensor]) -> torch.Tensor:
        split = torch.nn.functional.linear(states, weight).unflatten(-1, (-1, head_size)).transpose(1, 2)
        return split if scale is None else _rms_norm(split, scale)

    return (
        heads(text, weights.query, weights.query_norm),
        heads(visual, weights.key, weights.key_norm),
        heads(visual, weights.value, None),
    )


def _rms_norm(states: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    wide = states.float()
    return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)).to(states.dtype) * scale


class SavingAttention(torch.autograd.Function):
    """Keeps Q, K, V, O and L of every layer until the backward pass."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention: Any) -> torch.Tensor:
        output, log_sum_exp = attention.forward(query, key, value)
        ctx.attention = attention
        ctx.save_for_backward(query, key, value, output, log_sum_exp)
        return output

    @staticmethod
    def backward(ctx: Any, output_gradient: torch.Tensor) -> tuple:
        query, key, value, output, log_sum_exp = ctx.saved_tensors
        gradients = ctx.attention.backward(query, key, value, output, log_sum_exp, output_gradient)
        return (*(g.to(t.dtype) for g, t in zip(gradients, (query, key, value))), None)


class RecomputingAttention(torch.autograd.Function):
    """Keeps x, O and L of every layer and the one y. Gradients of x, y and the weights are those of the saving layer."""

    @staticmethod
    def forward(
        ctx: Any, text: torch.Tensor, visual: torch.Tensor, attention: Any, head_size: int, *weights: Any
    ) -> torch.Tensor:
        query, key, value = project(text, visual, Projections(*weights), head_size)
        output, log_sum_exp = attention.forward(query, key, value)
        ctx.attention, ctx.head_size = attention, head_size
        ctx.given = [weight is not None for weight in weights]
        ctx.save_for_backward(text, visual, output, log_sum_exp, *(weight for weight in weights if weight is not None))
        return output

    @staticmethod
    def backward(ctx: Any, output_gradient: torch.Tensor) -> tuple:
        text, visual, output, log_sum_exp, *kept = ctx.saved_tensors
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1]]
        wanted += [need for need, given in zip(ctx.needs_input_grad[4:], ctx.given) if given]
        with torch.enable_grad():
            leaves = [tensor.detach().requires_grad_(need) for tensor, need in zip([text, visual, *kept], wanted)]
            weights = iter(leaves[2:])
            projections = Projections(*(next(weights) if given else None for given in ctx.given))
            projected = project(leaves[0], leaves[1], projections, ctx.head_size)
        detached = [tensor.detach() for tensor in projected]
        found = ctx.attention.backward(*detached, output, log_sum_exp, output_gradient)
        pairs = [(t, g.to(t.dtype)) for t, g in zip(projected, found) if t.requires_grad]
        inputs = [leaf for leaf in leaves if leaf.requires_grad]
        gradients = iter(
            torch.autograd.grad([t for t, _ in pairs], inputs, [g for _, g in pairs], allow_unused=True) if inputs else []
        )
        by_leaf = [next(gradients) if leaf.requires_grad else None for leaf in leaves]
        of_weights = iter(by_leaf[2:])
        return (by_leaf[0], by_leaf[1], None, None, *(next(of_weights) if given else None for given in ctx.given))


def cross_attention(
    text: torch.Tensor,
    visual: torch.Tensor,
    weights: Projections,
    head_size: int,
    attention: DistributedAttention,
    recompute: bool,
) -> torch.Tensor:
    """[1, heads, rows, headSize]"""
    if recompute:
        return RecomputingAttention.apply(text, visual, attention, head_size, *weights)
    return SavingAttention.apply(*project(text, visual, weights, head_size), attention)
