"""What the layers of the vision tower and of the decoder have in common."""
import math
import torch, torch.nn as nn, torch.nn.functional as F

sdpa = getattr(F, "scaled_dot_product_attention", None)
if sdpa is None:                                                  # old CPU torch, desk checks only
    def sdpa(q, k, v, attn_mask=None, is_causal=False):
        s = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        if is_causal:
            s = s.masked_fill(torch.ones(s.shape[-2:], dtype=torch.bool).triu(1), -1e9)
        if attn_mask is not None:
            s = s.masked_fill(~attn_mask, -1e9) if attn_mask.dtype == torch.bool else s + attn_mask
        return s.softmax(-1) @ v


def lin(x, *ls):
    """One matmul for several nn.Linear of the same input."""
    w = torch.cat([l.weight for l in ls]) if len(ls) > 1 else ls[0].weight
    b = None if ls[0].bias is None else (torch.cat([l.bias for l in ls]) if len(ls) > 1 else ls[0].bias)
    return F.linear(x, w.to(x.dtype), None if b is None else b.to(x.dtype))


def masked(mask, like):
    """Additive attention mask of `like`'s type: a fused kernel takes it as it is."""
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(~mask, -30000.0)


def lnorm(x, m):
    return F.layer_norm(x.float(), (x.shape[-1],), m.weight, m.bias, m.eps).to(x.dtype)


class RMS(nn.Module):
    def __init__(self, n, eps=1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))
        self.eps = eps

    def forward(self, x):
        h = x.float()
        return (h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight).to(x.dtype)


class Attn(nn.Module):
    def __init__(self, n, bias, out):
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(n, n, bias=bias) for _ in range(3))
        setattr(self, out, nn.Linear(n, n, bias=bias))
