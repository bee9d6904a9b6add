"""Ranks of distributed cross-attention on torch.distributed: they run the schedules of Fovea and write its traces."""
