"""PyTorch's own fused attention, where it hands out the log-sum-exp, checked against the exact one before it is trusted.

The operators below are what `scaled_dot_product_attention` dispatches to (torch 2.1 and later). Their log-sum-exp differs
between versions in padding (rows rounded up to 32 or 128), so it is cut to the rows here; base and shape are then
verified by a probe with the run's own dtype and head size, and whatever does not agree is not used.
"""

from __future__ import annotations

import math
from typing import Callable, Dict, List, NamedTuple, Optional

import torch

from .attention import (
    Gradients,
    Partial,
    chunked_attention,
    chunked_attention_gradients,
    empty_partial,
    fold_group,
    merge,
    output_dot_gradient,
)
from .visibility import visible_keys

Kernel = Callable[..., Partial]
GradientKernel = Callable[..., Gradients]

# Additive masks of the memory-efficient kernel must be aligned to this many elements in a row.
_BIAS_ALIGNMENT = 16
_BIAS_ELEMENTS = 1 << 27


class BlockAttention(NamedTuple):
    """The kernels that a run uses, and why the ones before them were passed over.

    `gradients` is None where the backward block is exact attention in chunks. It needs the block's final output.
    """

    name: str
    run: Kernel
    passed_over: List[str]
    gradients: Optional[GradientKernel] = None

    @property
    def label(self) -> str:
        return f"{self.name}; backward {'flash' if self.gradients else 'chunked, float32'}"


def _finish(output: torch.Tensor, log_sum_exp: torch.Tensor, query: torch.Tensor) -> Partial:
    """Kernel layout [batch, keyValueHeads, group * rows, ...] back to [batch, heads, rows, ...]."""
    batch, heads, rows, dim = query.shape
    log_sum_exp = log_sum_exp[..., : output.shape[2]].float().contiguous()
    return Partial(output.contiguous().reshape(batch, heads, rows, dim).float(), log_sum_exp.reshape(batch, heads, rows))


def _flash(query, key, value, intervals=None, first_key=0, scale=None) -> Partial:
    if key.shape[2] == 0 or query.shape[2] == 0:
        return empty_partial(query)
    if intervals is not None:
        raise NotImplementedError("the flash kernel takes no mask")
    folded = fold_group(query, key.shape[1])
    scale = query.shape[3] ** -0.5 if scale is None else scale
    result = torch.ops.aten._scaled_dot_product_flash_attention(folded, key, value, 0.0, False, False, scale=scale)
    return _finish(result[0], result[1], query)


# What the operator's forward hands to its backward besides tensors of the problem: nothing of it matters without dropout.
_FLASH_EXTRAS: Dict[torch.device, tuple] = {}


def _flash_gradients(query, key, value, log_sum_exp, output_gradient, output, scale=None) -> Gradients:
    """dQ float32; dK and dV in the element type, as the kernel rounds them. `output` and `log_sum_exp` over all shards."""
    operators = torch.ops.aten
    key_value_heads = key.shape[1]
    scale = query.shape[3] ** -0.5 if scale is None else scale
    folded = fold_group(query, key_value_heads)
    outward, whole = (fold_group(each.to(query.dtype), key_value_heads) for each in (output_gradient, output))
    normaliser = fold_group(log_sum_exp.float(), key_value_heads).contiguous()
    if query.device not in _FLASH_EXTRAS:
        one = folded[:, :, :1].contiguous()
        seen = operators._scaled_dot_product_flash_attention(one, one, one, 0.0, False, False, scale=scale)
        _FLASH_EXTRAS[query.device] = (seen[2], seen[3], seen[6], seen[7])
    queries_at, keys_at, seed, offset = _FLASH_EXTRAS[query.device]
    found = operators._scaled_dot_product_flash_attention_backward(
        outward,
        folded,
        key,
        value,
        whole,
        normaliser,
        queries_at,
        keys_at,
        folded.shape[2],
        key.shape[2],
        0.0,
        False,
        seed,
        offset,
        scale=scale,
    )
    return Gradients(found[0].contiguous().reshape(query.shape).float(), found[1].contiguous(), found[2].contiguous())


def _flash_for_cpu(query, key, value, intervals=None, first_key=0, scale=None) -> Partial:
    if key.shape[2] == 0 or query.shape[2] == 0:
        return empty_partial(query)
    if intervals is not None:
        raise NotImplementedError("the flash kernel takes no mask")
    folded = fold_group(query, key.shape[1])
    scale = query.shape[3] ** -0.5 if scale is None else scale
    result = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(folded, key, value, 0.0, False, scale=scale)
    return _finish(result[0], result[1], query)


def _efficient(query, key, value, intervals=None, first_key=0, scale=None) -> Partial:
    """Masks are additive here, so a masked shard is taken in chunks of keys whose masks fit, and the chunks are merged."""
    rows, keys = query.shape[2], key.shape[2]
    if keys == 0 or rows == 0:
        return empty_partial(query)
    folded = fold_group(query, key.shape[1])
    scale = query.shape[3] ** -0.5 if scale is None else scale
    attend = torch.ops.aten._scaled_dot_product_efficient_attention
    if intervals is None:
        result = attend(folded, key, value, None, True, 0.0, False, scale=scale)
        return _finish(result[0], result[1], query)
    group = query.shape[1] // key.shape[1]
    chunk = max(_BIAS_ALIGNMENT, _BIAS_ELEMENTS // (group * rows) // _BIAS_ALIGNMENT * _BIAS_ALIGNMENT)
    whole = empty_partial(query)
    for start in range(0, keys, chunk):
        stop = min(start + chunk, keys)
        visible = visible_keys(intervals, first_key + start, stop - start, query.device)
        padded = -(-(stop - start) // _BIAS_ALIGNMENT) * _BIAS_ALIGNMENT
        bias = torch.zeros(group * rows, padded, dtype=query.dtype, device=query.device)[:, : stop - start]
        bias.masked_fill_(~visible.repeat(group, 1), -math.inf)
        bias = bias.expand(folded.shape[0], folded.shape[1], -1, -1)
        result = attend(folded, key[:, :, start:stop], value[:, :, start:stop], bias, True, 0.0, False, scale=scale)
        part = _finish(result[0], result[1], query)
        # What a kernel returns for a row without keys differs between kernels (0, NaN, a large negative number).
        dead = ~visible.any(-1)
        whole = merge(
            whole,
            Partial(
                part.output.masked_fill(dead[:, None], 0.0),
                part.log_sum_exp.masked_fill(dead, -math.inf),
            ),
        )
    return whole


def _agrees(kernel: Kernel, device: torch.device, dtype: torch.dtype, dim: int, group: int, masked: bool) -> Optional[str]:
    """None when the kernel agrees with the exact attention; otherwise what is wrong with it."""
    generator = torch.Generator().manual_seed(20)
    rows, keys, key_value_heads = 19, 77, 2
    shapes = [(1, key_value_heads * group, rows, dim), (1, key_value_heads, keys, dim), (1, key_value_heads, keys, dim)]
    query, key, value = (torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes)
    intervals = None
    if masked:
        first = torch.arange(rows, dtype=torch.int32) * 3
        intervals = torch.stack([first, first + 20], -1).to(device)
        intervals[4] = 0
    try:
        got = kernel(query, key, value, intervals, 0)
    except (RuntimeError, NotImplementedError, AttributeError, TypeError) as error:
        return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
    wanted = chunked_attention(query, key, value, intervals, 0)
    allowed = 2e-2 if dtype in (torch.float16, torch.bfloat16) else 1e-4
    seen = ~torch.isinf(wanted.log_sum_exp)
    for what, one, other in (
        ("log-sum-exp", got.log_sum_exp[seen], wanted.log_sum_exp[seen]),
        ("output", got.output, wanted.output),
    ):
        error = float((one - other).abs().max())
        if not error <= allowed:
            return f"its {what} is off by {error:.2g} from the exact one"
    return None


def _gradients_agree(
    kernel: GradientKernel, device: torch.device, dtype: torch.dtype, dim: int, group: int
) -> Optional[str]:
    """As `_agrees`, for one of two shards: output and log-sum-exp are those over both."""
    generator = torch.Generator().manual_seed(21)
    rows, keys, key_value_heads = 19, 77, 2
    shapes = [(1, key_value_heads * group, rows, dim), (1, key_value_heads, keys, dim), (1, key_value_heads, keys, dim)]
    query, key, value = (torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes)
    gradient = torch.randn(shapes[0], generator=generator).to(device, dtype)
    output, log_sum_exp = chunked_attention(query, key, value)
    output = output.to(dtype)
    shard = slice(0, 40)
    try:
        got = kernel(query, key[:, :, shard], value[:, :, shard], log_sum_exp, gradient, output)
        delta = output_dot_gradient(output, gradient)
        wanted = chunked_attention_gradients(
            query, key[:, :, shard], value[:, :, shard], log_sum_exp, gradient, delta
        )
        for what, one, other in zip(Gradients._fields, got, wanted):
            error = float((one.float() - other).abs().max())
            if not error <= 2e-2 * max(1.0, float(other.abs().max())):
                return f"its gradient of {what} is off by {error:.2g} from the exact one"
    except (RuntimeError, NotImplementedError, AttributeError, TypeError, IndexError) as error:
        return str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
    return None


def choose_block_attention(
    device: torch.device, dtype: torch.dtype, dim: int, group: int, masked: bool
) -> BlockAttention:
    """The fastest kernels that agree with the exact attention on this device; forward ones must return a log-sum-exp."""
    passed_over: List[str] = []
    gradients: Optional[GradientKernel] = None
    if device.type == "cuda" and not masked and dtype in (torch.float16, torch.bfloat16):
        problem = _gradients_agree(_flash_gradients, device, dtype, dim, group)
        if problem is None:
            gradients = _flash_gradients
        else:
            passed_over.append(f"flash backward: {problem}")
    if device.type == "cuda":
        candidates = [("flash", _flash), ("memory-efficient", _efficient)]
    else:
        candidates = [("flash for CPU", _flash_for_cpu)]
    for name, kernel in candidates:
        problem = _agrees(kernel, device, dtype, dim, group, masked)
        if problem is None:
            return BlockAttention(name, kernel, passed_over, gradients)
        passed_over.append(f"{name}: {problem}")
    return BlockAttention("chunked, float32", chunked_attention, passed_over, gradients)
