"""The vision tower, a CLIP ViT."""
import torch, torch.nn as nn, torch.nn.functional as F
from configuration import NP
from transformer import Attn, lin, lnorm, masked, sdpa
from window_merging import window_means


class VMlp(nn.Module):
    def __init__(self, n, m):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(n, m), nn.Linear(m, n)


class VLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        n = c["v_hidden"]
        self.h = c["v_heads"]
        self.self_attn = Attn(n, True, "out_proj")
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(n, eps=c["eps"]), nn.LayerNorm(n, eps=c["eps"])
        self.mlp = VMlp(n, c["v_mlp"])

    def forward(self, x, mask=None):
        B, N, C = x.shape
        q, k, v = lin(lnorm(x, self.layer_norm1), self.self_attn.q_proj, self.self_attn.k_proj, self.self_attn.v_proj).view(B, N, 3, self.h, C // self.h).permute(2, 0, 3, 1, 4).unbind(0)
        o = sdpa(q, k, v) if mask is None else sdpa(q, k, v, attn_mask=mask)
        x = x + lin(o.transpose(1, 2).reshape(B, N, C), self.self_attn.out_proj)
        y = lin(lnorm(x, self.layer_norm2), self.mlp.fc1)
        return x + lin(y * torch.sigmoid(1.702 * y), self.mlp.fc2)


class ViT(nn.Module):
    def __init__(self, c):
        super().__init__()
        n = c["v_hidden"]
        self.embeddings = nn.Module()
        self.embeddings.class_embedding = nn.Parameter(torch.randn(n) * 0.02)
        self.embeddings.patch_embedding = nn.Conv2d(3, n, c["patch"], c["patch"], bias=False)
        self.embeddings.position_embedding = nn.Embedding(NP + 1, n)
        self.pre_layrnorm = nn.LayerNorm(n, eps=c["eps"])
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(VLayer(c) for _ in range(c["v_layers"]))
        self.post_layernorm = nn.LayerNorm(n, eps=c["eps"])
        self.p = c["patch"]

    def forward(self, px, dtype, last=True, merge=None):
        """merge: (layer, window, tau [B], front [B]) merges alike windows on the output of that layer.
        -> (hidden_states[-2] incl. CLS, final hidden state or None), and with merge also (count [B], source [B, 576])"""
        B, p = px.shape[0], self.p
        e = self.embeddings
        g = px.shape[-1] // p
        x = px.to(dtype).view(B, 3, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(B, g * g, 3 * p * p)
        x = F.linear(x, e.patch_embedding.weight.flatten(1).to(dtype))
        x = torch.cat([e.class_embedding.to(dtype).expand(B, 1, -1), x], 1) + e.position_embedding.weight.to(dtype)
        x = lnorm(x, self.pre_layrnorm)
        mask, kept = None, None
        for i, l in enumerate(self.encoder.layers[:-1]):
            x = l(x) if mask is None else l(x, mask)
            if merge is not None and i == merge[0]:
                t, count, source = window_means(x[:, 1:], *merge[1:])
                x = torch.cat([x[:, :1], t], 1)
                mask = masked(torch.arange(NP + 1, device=x.device)[None] <= count[:, None], x)[:, None, None].expand(B, self.encoder.layers[0].h, NP + 1, NP + 1)
                kept = (count, source)
        last = None if not last else self.encoder.layers[-1](x) if mask is None else self.encoder.layers[-1](x, mask)
        return (x, last) if kept is None else (x, last, *kept)
