"""Cross-attention to long visual input: all high-resolution tokens of an image, or all frames of an animation."""
import torch, torch.nn as nn
from transformer import RMS, lin, masked, sdpa


class XAttn(nn.Module):
    """LLaVA-XAttn variant: tanh-gated cross attention before layers 2, 5, 8, 11; keys/values = all high-res tokens."""
    LAYERS = (2, 5, 8, 11)

    def __init__(self, c):
        super().__init__()
        n = c["hidden"]
        self.h = c["heads"]
        self.tile = nn.Embedding(9, n)
        self.frame = nn.Embedding(64, n)
        self.kv_norm = RMS(n, c["eps"])
        self.blocks = nn.ModuleDict()
        for i in self.LAYERS:
            b = nn.Module()
            b.norm = RMS(n, c["eps"])
            b.q_proj, b.k_proj, b.v_proj, b.o_proj = (nn.Linear(n, n, bias=False) for _ in range(4))
            b.gate = nn.Parameter(torch.tensor([0.1]))
            self.blocks[str(i)] = b

    @torch.no_grad()
    def init_from(self, lm):
        """Start from the self-attention of the same layer (keys / values of normalised features)."""
        n = self.frame.weight.shape[1]
        t = torch.arange(64, device=self.frame.weight.device).float()[:, None] / 64 ** (torch.arange(n // 2, device=self.frame.weight.device).float() / (n // 2))
        self.frame.weight.copy_(torch.cat([t.sin(), t.cos()], 1) * .5)
        self.tile.weight.normal_(std=.1)
        for i, b in self.blocks.items():
            l = lm.layers[int(i)]
            b.norm.weight.copy_(l.input_layernorm.weight)
            b.q_proj.weight.copy_(l.self_attn.q_proj.weight)
            b.o_proj.weight.copy_(l.self_attn.o_proj.weight)
            for m, w in ((b.k_proj, l.self_attn.k_proj), (b.v_proj, l.self_attn.v_proj)):
                m.weight.copy_(w.weight * l.input_layernorm.weight[None])

    def kv(self, f, tile=None, frame=None):
        """f [B, N, n] raw features; tile or frame [B, N] or [N]: which tile of the image (0-8) or which frame (0-63) each token is of."""
        e = self.tile(tile) if frame is None else self.frame(frame)
        return self.kv_norm(f) + e.to(f.dtype)

    def apply_at(self, i, x, f, mask=None):
        b = self.blocks[str(i)]
        B, N, C = x.shape
        q = lin(b.norm(x), b.q_proj).view(B, N, self.h, -1).transpose(1, 2)
        k, v = lin(f, b.k_proj, b.v_proj).view(B, f.shape[1], 2, self.h, -1).permute(2, 0, 3, 1, 4).unbind(0)
        return x + torch.tanh(b.gate).to(x.dtype) * lin(sdpa(q, k, v, attn_mask=mask).transpose(1, 2).reshape(B, N, C), b.o_proj)


def decode_x(net, feats, ids, doc, pos, f, tile=None, frame=None, seen=None):
    """f [B, N, hidden] raw features of the long visual input; tile or frame as in XAttn.kv; seen [B] : only the first tokens exist."""
    x = net.embed(feats, ids)
    P = net.P
    allpos = torch.cat([torch.arange(P, device=ids.device).expand(ids.shape[0], -1), pos + P], 1)
    cos, sin = (t[:, None] for t in net.rope(allpos))
    mask = masked(net.strip_mask(doc, P), x)
    kv = net.xattn.kv(f, net.hrtile if tile is None and frame is None else tile, frame)
    see = None if seen is None else masked(torch.arange(f.shape[1], device=f.device)[None] < seen[:, None], x)[:, None, None].expand(-1, net.xattn.h, x.shape[1] - P, -1)
    for i, l in enumerate(net.lm.layers):
        if i in XAttn.LAYERS:
            x = torch.cat([x[:, :P], net.xattn.apply_at(i, x[:, P:], kv, see)], 1)
        x = l(x, cos, sin, mask, P)
    return net.lm.norm(x[:, P:])
