"""Writes the PyTorch weights of a checkpoint folder (pytorch_model*.bin) as safetensors beside them.

    python3 to_safetensors.py FOLDER        (needs torch; one file at a time is in memory)

Pickles can run code when they are loaded: torch's weights_only mode is used, which refuses what is not a tensor.
"""
import glob
import json
import os
import struct
import sys

import torch

NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "BOOL"}
INDEX = "model.safetensors.index.json"


def write(tensors, path):
    """One file, under a temporary name until it is whole."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            # As bytes, since numpy has no bfloat16.
            file.write(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    os.replace(path + ".part", path)


def main(folder):
    files = sorted(glob.glob(os.path.join(glob.escape(folder), "pytorch_model*.bin")))
    if not files:
        sys.exit(f"There is no pytorch_model*.bin in {folder}.")
    places = {}
    for number, path in enumerate(files, 1):
        name = os.path.basename(path)[: -len(".bin")].replace("pytorch_model", "model", 1) + ".safetensors"
        print(f"{number} of {len(files)}: {os.path.basename(path)} -> {name}", flush=True)
        tensors = {key: value for key, value in torch.load(path, map_location="cpu", weights_only=True).items() if torch.is_tensor(value)}
        write(tensors, os.path.join(folder, name))
        places.update({key: name for key in tensors})
    if len(files) > 1:
        with open(os.path.join(folder, INDEX), "w", encoding="utf-8") as file:
            json.dump({"metadata": {}, "weight_map": places}, file, indent=1)
    print("Done. The .bin files are as they were.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python3 to_safetensors.py FOLDER")
    main(sys.argv[1])
