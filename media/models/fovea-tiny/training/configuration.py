"""Sizes of the model."""
CFG = dict(v_hidden=256, v_layers=8, v_heads=4, v_mlp=768, image=336, patch=14, hidden=384, layers=12, heads=6, mlp=512, vocab=1280,
           theta=10000.0, eps=1e-5, n_sa=4)
NP = 576                                # patches of an image, and so its visual tokens
