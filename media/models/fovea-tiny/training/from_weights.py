"""A checkpoint to go on training from, out of the delivered weights and the auxiliary heads beside this file:   python3 from_weights.py OUT"""
import json, os, sys
import torch
from safetensors.torch import load_file
from configuration import CFG
from hub_layout import hub_state
from model import VLM

here = os.path.dirname(os.path.abspath(__file__))
out = sys.argv[1]
heads = load_file(f"{here}/auxiliary-heads.safetensors")
classes, characters = heads["cls1.weight"].shape[0], heads["char.weight"].shape[0]
prefix = [1, 5, 227]                                              # <s> USER: and a space
net = VLM(CFG, classes, characters, 4, prefix)
with torch.no_grad():
    for file, own in zip(("model", "flexattn", "xattn"), hub_state(net)):
        given = load_file(f"{here}/../{file}.safetensors")
        assert given.keys() == own.keys(), file
        for name, tensor in own.items():                          # shares storage with the model
            tensor.copy_(given[name])
    net.aux.load_state_dict({k: v.float() for k, v in heads.items()})
os.makedirs(out, exist_ok=True)
torch.save({k: v.half() for k, v in net.state_dict().items()}, f"{out}/ck0.pt")
json.dump(dict(cfg=CFG, prefix=prefix, n_cls=classes, step=0, stage=2, elapsed=0, shards=1), open(f"{out}/ck.json", "w"))
