"""The mean of two trainings' weights:   python3 average.py CK_A CK_B OUT"""
import json, os, sys
import torch

a, b, out = sys.argv[1:]


def load(folder):
    return {k: v.float() for f in sorted(os.listdir(folder)) if f.startswith("ck") and f.endswith(".pt") for k, v in torch.load(f"{folder}/{f}", map_location="cpu").items()}


A, B = load(a), load(b)
assert A.keys() == B.keys()
os.makedirs(out, exist_ok=True)
torch.save({k: ((A[k] + B[k]) / 2).half() for k in A}, f"{out}/ck0.pt")
meta = json.load(open(f"{b}/ck.json"))
json.dump(dict(meta, shards=1), open(f"{out}/ck.json", "w"))
