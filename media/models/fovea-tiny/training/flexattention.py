"""FlexAttention: every query selects high-resolution tokens by the attention of the layer before, and sees them in the next."""
import math
import torch, torch.nn as nn
from configuration import NP
from decoder import rot
from transformer import lin, masked, sdpa


class Flex(nn.Module):
    """Extra tensors of the FlexAttention variant: k/v projections of the selected high-resolution tokens, layers >= n_sa."""
    def __init__(self, c):
        super().__init__()
        n = c["hidden"]
        self.k = nn.ModuleDict({str(i): nn.Linear(n, n, bias=False) for i in range(c["n_sa"], c["layers"])})
        self.v = nn.ModuleDict({str(i): nn.Linear(n, n, bias=False) for i in range(c["n_sa"], c["layers"])})

    @torch.no_grad()
    def init_from(self, lm, rms):
        """W' = W diag(input_layernorm) / rms(features): on average what W would see had the features passed the layer's norm."""
        for i in self.k:
            l = lm.layers[int(i)]
            for m, w in ((self.k[i], l.self_attn.k_proj), (self.v[i], l.self_attn.v_proj)):
                m.weight.copy_(w.weight * l.input_layernorm.weight[None] / rms)


def decode_flex(net, feats, ids, doc, pos, f, aq, use, k_sel=58, random=False, want_sel=False, place=None):
    """aq [B, Nq]: strip indices of the tokens that see high-res tokens (last prompt token and all answer tokens), -1 = none.
    use [B, Nq] bool: False = treat as base model (no high-res tokens for that query). Every query selects for itself: the
    previous layer's head-averaged attention over the 576 image positions -> top k_sel cells -> their 3x3 high-res tokens.
    f [B, N, hidden] with place [B, N]: raster index of each token where not all 5184 were encoded."""
    x = net.embed(feats, ids)
    P = net.P
    B, T = ids.shape
    Nq = aq.shape[1]
    dev = ids.device
    place = torch.arange(5184, device=dev).expand(B, -1) if place is None else place
    N = place.shape[1]
    cell = net.hrcell[place]
    allpos = torch.cat([torch.arange(P, device=dev).expand(B, -1), pos + P], 1)
    cos, sin = (t[:, None] for t in net.rope(allpos))
    hc, hs = (t[:, None] for t in net.rope(net.hrpos.flatten()[place]))
    mask = masked(net.strip_mask(doc, P), x)
    H, D = net.c["heads"], net.c["hidden"] // net.c["heads"]
    qi = aq.clamp(min=0)
    ix = qi[:, None, :, None].expand(B, H, Nq, D)
    rows = torch.gather(mask[:, 0], 1, qi[:, :, None].expand(B, Nq, P + T))[:, None]           # [B,1,Nq,P+T], additive
    put = torch.where(aq >= 0, aq, torch.full_like(aq, T))[:, None, :, None].expand(B, H, Nq, D)
    far, sels = None, []
    for i, l in enumerate(net.lm.layers):
        if i < net.c["n_sa"] - 1:
            x = l(x, cos, sin, mask, P)
            continue
        q, k, v = l.qkv(x, cos, sin)
        o1 = sdpa(q[:, :, :P], k[:, :, :P], v[:, :, :P], is_causal=True)
        o2 = sdpa(q[:, :, P:], k, v, attn_mask=mask)
        qa = torch.gather(q[:, :, P:], 2, ix)
        kh = None
        if i >= net.c["n_sa"]:
            kh = rot(lin(f, net.flex.k[str(i)]).view(B, N, H, D).transpose(1, 2), hc, hs)
            vh = lin(f, net.flex.v[str(i)]).view(B, N, H, D).transpose(1, 2)
            see = torch.cat([rows, far], -1).expand(B, H, Nq, P + T + N)
            oa = sdpa(qa, torch.cat([k, kh], 2), torch.cat([v, vh], 2), attn_mask=see)
            o2 = torch.cat([o2, o2[:, :, :1]], 2).scatter(2, put, oa)[:, :, :T]
        with torch.no_grad():
            far, top = select(net, qa, k, kh, rows, far, cell, use & (aq >= 0), k_sel, random)
            if want_sel:
                sels.append(top)
        x = l.out(x, torch.cat([o1, o2], 2))
    x = net.lm.norm(x[:, P:])
    return (x, sels) if want_sel else x


def select(net, qa, k, kh, rows, far, cell, active, k_sel, random):
    """-> additive mask [B, 1, Nq, N] of the high-resolution tokens for the next layer, chosen cells [B, Nq, k_sel]"""
    B, H, Nq, D = qa.shape
    np0 = len(net.prefix)
    s = (qa @ k.transpose(-1, -2)).float() / math.sqrt(D) + rows.float()
    total = s.logsumexp(-1, keepdim=True)
    if kh is not None:
        total = torch.logaddexp(total, ((qa @ kh.transpose(-1, -2)).float() / math.sqrt(D) + far.float()).logsumexp(-1, keepdim=True))
    lr = (s[..., np0:np0 + NP] - total).exp().mean(1)                                            # [B, Nq, 576]
    if random:
        lr = torch.rand_like(lr)
    top = lr.topk(k_sel, -1).indices
    m = torch.zeros_like(lr, dtype=torch.bool).scatter(2, top, True) & active[..., None]
    m = torch.gather(m, 2, cell[:, None].expand(B, Nq, cell.shape[1]))
    return masked(m, qa)[:, None], top
