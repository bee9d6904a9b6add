"""The decoder, a Llama."""
import torch, torch.nn as nn, torch.nn.functional as F
from transformer import RMS, Attn, lin, sdpa


def rot(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class Mlp(nn.Module):
    def __init__(self, n, m):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = nn.Linear(n, m, bias=False), nn.Linear(n, m, bias=False), nn.Linear(m, n, bias=False)


class LLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        n = c["hidden"]
        self.h = c["heads"]
        self.self_attn = Attn(n, False, "o_proj")
        self.mlp = Mlp(n, c["mlp"])
        self.input_layernorm, self.post_attention_layernorm = RMS(n, c["eps"]), RMS(n, c["eps"])

    def qkv(self, x, cos, sin):
        B, N, C = x.shape
        a = self.self_attn
        q, k, v = lin(self.input_layernorm(x), a.q_proj, a.k_proj, a.v_proj).view(B, N, 3, self.h, C // self.h).permute(2, 0, 3, 1, 4).unbind(0)
        return rot(q, cos, sin), rot(k, cos, sin), v

    def out(self, x, o):
        B, N, C = x.shape
        x = x + lin(o.transpose(1, 2).reshape(B, N, C), self.self_attn.o_proj)
        g, u = lin(self.post_attention_layernorm(x), self.mlp.gate_proj, self.mlp.up_proj).chunk(2, -1)
        return x + lin(F.silu(g) * u, self.mlp.down_proj)

    def forward(self, x, cos, sin, mask, P: int):
        q, k, v = self.qkv(x, cos, sin)
        o1 = sdpa(q[:, :, :P], k[:, :, :P], v[:, :, :P], is_causal=True)
        o2 = sdpa(q[:, :, P:], k, v, attn_mask=mask)
        return self.out(x, torch.cat([o1, o2], 2))


class LM(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = nn.Embedding(c["vocab"], c["hidden"])
        self.layers = nn.ModuleList(LLayer(c) for _ in range(c["layers"]))
        self.norm = RMS(c["hidden"], c["eps"])
