"""Merging of alike windows of patches inside the vision tower."""
import torch, torch.nn.functional as F


def window_means(p, size, tau, front):
    """Merges alike windows of patches, as a pruner may; nothing learnt here.

    p [B, 576, C]: outputs of one vision layer in raster order. A window of size x size patches whose mean cosine over all pairs reaches
    tau [B] becomes the mean of its patches. front [B] bool: merged tokens first, most alike first; otherwise all stay in raster order.
    -> tokens [B, 576, C], those that exist first; count [B]; source [B, 576]: a patch (a window's centre) that each token came from."""
    B, N, C = p.shape
    g = int(N ** .5)
    w = g // size
    with torch.no_grad():
        u = F.normalize(p.float(), dim=-1).view(B, w, size, w, size, C).permute(0, 1, 3, 2, 4, 5).reshape(B, w * w, size * size, C)
        n = size * size
        score = (u.sum(2).pow(2).sum(-1) - n) / (n * (n - 1))                                        # [B, w*w]
        sel = score >= tau[:, None]
        i = torch.arange(N, device=p.device)
        win = (i // g // size) * w + (i % g) // size                                                 # [N] window of a patch
        centre = (i // g % size == size // 2) & (i % g % size == size // 2)
        merged = sel[:, win]                                                                         # [B, N]
        key = torch.where(merged, torch.where(front[:, None], -1 - score[:, win].double(), i.double()), i.double())
        key = torch.where(merged & ~centre, torch.full_like(key, 1e9), key)
        source = key.argsort(1)
        count = (key < 1e8).sum(1)
    mean = p.view(B, w, size, w, size, C).mean((2, 4)).reshape(B, w * w, C)
    full = torch.where(merged[..., None], mean[:, win], p)
    return torch.gather(full, 1, source[..., None].expand(-1, -1, C)), count, source
