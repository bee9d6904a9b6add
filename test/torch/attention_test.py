"""Block attention and its gradient against autograd, the probe that guards fused kernels, and recomputation.

Prints one JSON line per test, which test/torch/attention.test.ts turns into tests of node's runner.
"""

import json
import math
import sys
import traceback

import torch

from fovea_ranks import fused
from fovea_ranks.attention import (
    Partial,
    chunked_attention,
    chunked_attention_gradients,
    merge,
    output_dot_gradient,
)
from fovea_ranks.cross_attention import Projections, cross_attention, project
from fovea_ranks.inputs import Inputs
from fovea_ranks.reference import reference_gradients, reference_rows, sampled_gradients
from fovea_ranks.schedule import parse_schedule

HEADS, KEY_HEADS, ROWS, KEYS, DIM = 6, 2, 13, 29, 8


def tensors(seed, spread=1.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(1, HEADS, ROWS, DIM), (1, KEY_HEADS, KEYS, DIM), (1, KEY_HEADS, KEYS, DIM), (1, HEADS, ROWS, DIM)]
    query, key, value, gradient = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return tuple(tensor.to(dtype) for tensor in (query * spread, key, value, gradient))


def dense(query, key, value, intervals):
    """Softmax over everything, heads repeated; rows that see nothing are 0."""
    group = query.shape[1] // key.shape[1]
    scores = query @ key.repeat_interleave(group, 1).transpose(-1, -2) / math.sqrt(DIM)
    seen = torch.ones(ROWS, KEYS, dtype=torch.bool)
    if intervals is not None:
        position = torch.arange(KEYS)
        seen = (position >= intervals[:, :1]) & (position < intervals[:, 1:])
    probability = torch.softmax(scores.masked_fill(~seen, -1e30), -1) * seen
    statistic = torch.logsumexp(scores.masked_fill(~seen, -math.inf), -1)
    return probability @ value.repeat_interleave(group, 1), statistic


def staircase():
    first = torch.arange(ROWS) * 2
    intervals = torch.stack([first, first + 6], -1).int()
    intervals[3] = 0
    return intervals


def in_shards(query, key, value, intervals, sizes, chunk):
    whole, start = None, 0
    for size in sizes:
        part = chunked_attention(
            query, key[:, :, start : start + size], value[:, :, start : start + size], intervals, start, chunk=chunk
        )
        whole = part if whole is None else merge(whole, part)
        start += size
    return whole


def close(found, expected, tolerance, what):
    difference = float((found.double() - expected.double()).abs().max())
    assert difference <= tolerance, f"{what} differs by {difference:.3g}, more than {tolerance:.3g}"


def test_shards_merge_to_attention_over_all_keys():
    for intervals in (None, staircase()):
        query, key, value, _ = tensors(1)
        output, statistic = dense(query, key, value, intervals)
        found = in_shards(query, key, value, intervals, (7, 0, 12, 10), 5)
        close(found.output, output, 1e-13, "output")
        seen = torch.isfinite(statistic)
        assert torch.equal(torch.isfinite(found.log_sum_exp), seen)
        close(found.log_sum_exp[seen], statistic[seen], 1e-12, "log-sum-exp")


def test_logits_of_200_neither_overflow_nor_vanish():
    query, key, value, _ = tensors(2, spread=120.0)
    scores = query @ key.repeat_interleave(3, 1).transpose(-1, -2) / math.sqrt(DIM)
    assert float(scores.max()) > 200 and float(scores.min()) < -200
    output, _ = dense(query, key, value, None)
    found = in_shards(*(tensor.float() for tensor in (query, key, value)), None, (7, 0, 12, 10), 5)
    assert torch.isfinite(found.output).all()
    close(found.output, output, 1e-4, "output")


def test_rows_without_keys_are_zero_and_stay_out_of_merges():
    query, key, value, _ = tensors(3)
    intervals = torch.zeros(ROWS, 2, dtype=torch.int32)
    nothing = chunked_attention(query, key, value, intervals)
    assert not nothing.output.any() and (nothing.log_sum_exp == -math.inf).all()
    assert not merge(nothing, nothing).output.any()
    something = chunked_attention(query, key, value)
    close(merge(nothing, something).output, something.output, 1e-15, "merge with nothing")


def test_a_first_partial_needs_no_phantom_key():
    """Regression guard for L = 0 at the start, which adds one key of logit 0: 3e-3 off with 64 keys."""
    query, key, value, _ = tensors(4, spread=0.1)
    output, _ = dense(query, key, value, None)
    close(in_shards(query, key, value, None, (10, 19), 64).output, output, 1e-13, "output")
    phantom = Partial(torch.zeros_like(query), torch.zeros(query.shape[:3], dtype=torch.float64))
    wrong = merge(phantom, in_shards(query, key, value, None, (10, 19), 64))
    assert float((wrong.output - output).abs().max()) > 1e-3


def test_gradients_are_those_of_autograd():
    for intervals in (None, staircase()):
        query, key, value, gradient = tensors(5)
        leaves = [tensor.clone().requires_grad_() for tensor in (query, key, value)]
        expected = torch.autograd.grad(dense(*leaves, intervals)[0], leaves, gradient)
        whole = in_shards(query, key, value, intervals, (7, 22), 5)
        delta = output_dot_gradient(whole.output, gradient)
        total = torch.zeros_like(query)
        for start, stop in ((0, 7), (7, 7), (7, KEYS)):
            part = slice(start, stop)
            found = chunked_attention_gradients(
                query, key[:, :, part], value[:, :, part], whole.log_sum_exp, gradient, delta, intervals, start, chunk=6
            )
            total += found.query
            if start < stop:
                close(found.key, expected[1][:, :, part], 1e-12, "dK")
                close(found.value, expected[2][:, :, part], 1e-12, "dV")
        close(total, expected[0], 1e-12, "dQ")


def test_half_precision_inputs_are_computed_in_float32():
    for dtype in (torch.float16, torch.bfloat16):
        query, key, value, _ = tensors(6, dtype=dtype)
        output, _ = dense(query.double(), key.double(), value.double(), None)
        found = in_shards(query, key, value, None, (7, 22), 5)
        assert found.output.dtype == torch.float32
        close(found.output, output, 1e-5, str(dtype))


def test_the_probe_refuses_kernels_that_are_wrong():
    cpu = torch.device("cpu")

    def base_two(query, key, value, intervals=None, first_key=0, scale=None):
        part = chunked_attention(query, key, value, intervals, first_key, scale)
        return Partial(part.output, part.log_sum_exp / math.log(2))

    def blind(query, key, value, intervals=None, first_key=0, scale=None):
        return chunked_attention(query, key, value, None, first_key, scale)

    def probe(kernel, masked):
        return fused._agrees(kernel, cpu, torch.float32, 64, 4, masked)

    assert probe(chunked_attention, False) is None and probe(chunked_attention, True) is None
    assert "log-sum-exp" in probe(base_two, False)
    assert probe(blind, True) is not None
    chosen = fused.choose_block_attention(cpu, torch.float32, 64, 4, True)
    assert probe(chosen.run, True) is None


def test_flash_gradients_fold_heads_and_hand_on_what_the_operator_takes():
    """On an operator of the signature of torch 2, made of exact attention: shapes, order of arguments, and the probe."""
    cpu = torch.device("cpu")
    aten = torch.ops.aten
    names = ("_scaled_dot_product_flash_attention", "_scaled_dot_product_flash_attention_backward")

    def forward(query, key, value, dropout_p=0.0, is_causal=False, return_debug_mask=False, *, scale=None):
        assert query.shape[1] == key.shape[1] and dropout_p == 0 and not is_causal
        part = chunked_attention(query, key, value, scale=scale)
        seed = torch.zeros(2, dtype=torch.int64)
        return part.output, part.log_sum_exp, None, None, query.shape[2], key.shape[2], seed, seed, None

    def backward(
        grad_out, query, key, value, out, logsumexp, cum_seq_q, cum_seq_k, max_q, max_k,
        dropout_p, is_causal, philox_seed, philox_offset, *, scale=None,
    ):
        assert cum_seq_q is None and cum_seq_k is None and (max_q, max_k) == (query.shape[2], key.shape[2])
        assert logsumexp.shape == query.shape[:3] and logsumexp.is_contiguous() and logsumexp.dtype == torch.float32
        assert grad_out.dtype == out.dtype == query.dtype and philox_seed.numel() == philox_offset.numel() == 2
        delta = output_dot_gradient(out, grad_out)
        found = chunked_attention_gradients(query, key, value, logsumexp, grad_out, delta, scale=scale)
        return tuple(each.to(query.dtype) for each in found)

    known = {name: getattr(aten, name) for name in names if hasattr(aten, name)}
    try:
        setattr(aten, names[0], forward)
        setattr(aten, names[1], backward)
        for dtype in (torch.float16, torch.bfloat16):
            problem = fused._gradients_agree(fused._flash_gradients, cpu, dtype, 64, 4)
            assert problem is None, problem
    finally:
        fused._FLASH_EXTRAS.clear()
        for name in names:
            delattr(aten, name)
        for name, operator in known.items():
            setattr(aten, name, operator)


def test_gradients_at_sampled_rows_are_those_of_dense_autograd():
    """The reference for large sizes against the one for small sizes, which shares no code with it."""
    raw = {
        "format": "fovea-schedule", "version": 1, "algorithm": "lv-xattn", "pass": "forward", "ranks": 2, "rounds": 2,
        "shape": {"queryHeads": HEADS, "keyValueHeads": KEY_HEADS, "headSize": DIM},
        "sharding": {"queryRows": [6, 7], "keyRows": [12, 17]},
        "wire": {"element": "F32", "repeatKeyValueHeads": False},
        "programs": [{"rank": 0, "operations": []}, {"rank": 1, "operations": []}],
    }
    schedule = parse_schedule(raw, "test")
    for visible in (None, staircase().tolist()):
        inputs = Inputs(schedule, torch.device("cpu"), 5, 2.0, visible)
        expected = reference_gradients(inputs)
        finals = {block: reference_rows(inputs, block, [0, 1], None) for block in (0, 1)}
        for owner in (0, 1):
            rows, keys = torch.tensor([0, 3, 5]), torch.tensor([1, 8, 11])
            found = sampled_gradients(inputs, owner, rows, keys, finals)
            close(found["dQ"], expected["dQ"][owner][:, :, rows], 1e-12, "dQ")
            close(found["dK"], expected["dK"][owner][:, :, keys], 1e-12, "dK")
            close(found["dV"], expected["dV"][owner][:, :, keys], 1e-12, "dV")


class Alone:
    """Distributed attention of one rank."""

    def forward(self, query, key, value):
        return chunked_attention(query, key, value)

    def backward(self, query, key, value, output, log_sum_exp, output_gradient):
        delta = output_dot_gradient(output, output_gradient)
        return chunked_attention_gradients(query, key, value, log_sum_exp, output_gradient, delta)


def test_recomputation_gives_the_gradients_of_autograd():
    generator = torch.Generator().manual_seed(7)

    def noise(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).float().requires_grad_()

    text, visual = noise(1, ROWS, 20), noise(1, KEYS, 10)
    for norms in (False, True):
        weights = Projections(
            noise(HEADS * DIM, 20),
            noise(KEY_HEADS * DIM, 10),
            noise(KEY_HEADS * DIM, 10),
            noise(DIM) if norms else None,
            noise(DIM) if norms else None,
        )
        leaves = [text, visual, *(weight for weight in weights if weight is not None)]
        query, key, value = project(text, visual, weights, DIM)
        gradient = torch.randn(query.shape, generator=generator)
        expected = torch.autograd.grad(dense(query, key, value, None)[0], leaves, gradient)
        for recompute in (False, True):
            output = cross_attention(text, visual, weights, DIM, Alone(), recompute)
            found = torch.autograd.grad(output, leaves, gradient)
            for one, other in zip(found, expected):
                close(one, other, 2e-4 * max(1.0, float(other.abs().max())), f"norms {norms}, recompute {recompute}")


def test_a_frozen_vision_side_gets_no_gradient():
    generator = torch.Generator().manual_seed(8)
    text = torch.randn(1, ROWS, 20, generator=generator).requires_grad_()
    visual = torch.randn(1, KEYS, 10, generator=generator)
    weights = Projections(
        torch.randn(HEADS * DIM, 20, generator=generator).requires_grad_(),
        torch.randn(KEY_HEADS * DIM, 10, generator=generator),
        torch.randn(KEY_HEADS * DIM, 10, generator=generator),
        None,
        None,
    )
    output = cross_attention(text, visual, weights, DIM, Alone(), True)
    output.sum().backward()
    assert text.grad is not None and weights.query.grad is not None
    assert visual.grad is None and weights.key.grad is None


def main():
    failed = False
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        error = ""
        try:
            test()
        except Exception:
            error = traceback.format_exc()
            failed = True
        print(json.dumps({"name": name[5:].replace("_", " "), "error": error}))
    sys.exit(1 if failed else 0)


main()
