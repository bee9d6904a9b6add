"""What torch computes with gated cross-attention beside a little LLaVA, from the description of the format alone.

    python3 make_golden.py        (needs torch and numpy only; Debian's python3-torch 1.13 on a CPU will do)

The checkpoint is ../variants/gqa, whose own logits by transformers this forward pass has to reproduce before it adds anything. Writes
beside itself: xattn.json and xattn.safetensors (random, F16), and golden.safetensors with what two kinds of long visual input give: a
large image in 3 x 3 tiles, and 3 frames. Sizes of heads, epsilon and number of frames differ from the decoder's on purpose.
"""
import json, os, struct
import numpy as np
import torch
import torch.nn.functional as F

here = os.path.dirname(os.path.abspath(__file__))
base = os.path.join(here, "../variants/gqa")
NUMPY = {"F16": np.float16, "F32": np.float32, "I32": np.int32, "I64": np.int64}


def load(path):
    raw = open(path, "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    read = lambda e: np.frombuffer(raw, NUMPY[e["dtype"]], int(np.prod(e["shape"], dtype=int)), 8 + size + e["data_offsets"][0]).reshape(e["shape"])
    return {name: torch.from_numpy(read(entry).astype(np.float32)) for name, entry in header.items()}


def save(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        array = np.ascontiguousarray(tensor.detach().numpy())
        kind = next(k for k, v in NUMPY.items() if array.dtype == v)
        header[name] = dict(dtype=kind, shape=list(array.shape), data_offsets=[len(data), len(data) + array.nbytes])
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


config = json.load(open(f"{base}/config.json"))
text, vision = config["text_config"], config["vision_config"]
W = load(f"{base}/model.safetensors")
get = lambda *endings: next(v for ending in endings for k, v in W.items() if k.endswith(ending))
patches = vision["image_size"] // vision["patch_size"]
hidden, width = text["hidden_size"], text["head_dim"]


def rms(x, weight, eps):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * weight


def by_head(x, heads):
    return x.view(x.shape[0], heads, -1).transpose(0, 1)


def attend(q, k, v, mask=None):
    """Heads first; query heads in groups share keys and values."""
    group = q.shape[0] // k.shape[0]
    k, v = k.repeat_interleave(group, 0), v.repeat_interleave(group, 0)
    scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    weights = (scores if mask is None else scores + mask).softmax(-1)
    return (weights @ v).transpose(0, 1).reshape(q.shape[1], -1), weights


def tower(pixels):
    """[3, side, side] to projected visual tokens [patches, hidden]: the layer before the last, without CLS."""
    part = lambda name: get(f"vision_tower.{name}", f"vision_model.{name}")
    norm = lambda x, name: F.layer_norm(x, x.shape[-1:], part(f"{name}.weight"), part(f"{name}.bias"), vision["layer_norm_eps"])
    linear = lambda x, name: F.linear(x, part(f"{name}.weight"), part(f"{name}.bias"))
    x = F.conv2d(pixels[None], part("embeddings.patch_embedding.weight"), stride=vision["patch_size"])[0].flatten(1).T
    x = torch.cat([part("embeddings.class_embedding")[None], x]) + part("embeddings.position_embedding.weight")
    x = norm(x, "pre_layrnorm")
    for i in range(vision["num_hidden_layers"] - 1):
        layer = f"encoder.layers.{i}"
        y = norm(x, f"{layer}.layer_norm1")
        q, k, v = (by_head(linear(y, f"{layer}.self_attn.{p}_proj"), vision["num_attention_heads"]) for p in "qkv")
        x = x + linear(attend(q, k, v)[0], f"{layer}.self_attn.out_proj")
        y = linear(norm(x, f"{layer}.layer_norm2"), f"{layer}.mlp.fc1")
        x = x + linear(y * torch.sigmoid(1.702 * y), f"{layer}.mlp.fc2")
    first = F.linear(x[1:], get("multi_modal_projector.linear_1.weight"), get("multi_modal_projector.linear_1.bias"))
    return F.linear(F.gelu(first), get("multi_modal_projector.linear_2.weight"), get("multi_modal_projector.linear_2.bias"))


def rotate(x, positions):
    angles = positions[:, None] / 10000.0 ** (torch.arange(0, width, 2) / width)
    cos, sin = (torch.cat([t, t], -1) for t in (angles.cos(), angles.sin()))
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


def decode(visual, ids, cross=None):
    """Logits of all positions; `cross(layer, rows)` changes the text rows behind the image before a layer."""
    embed = get("embed_tokens.weight")
    first = ids.index(config["image_token_index"])
    end = first + len(visual)
    x = torch.cat([embed[ids[:first]], visual, embed[ids[end:]]])
    n = len(ids)
    positions, mask = torch.arange(n).float(), torch.full((n, n), float("-inf")).triu(1)
    for i in range(text["num_hidden_layers"]):
        if cross:
            x = torch.cat([x[:end], cross(i, x[end:])])
        part = lambda name: get(f"layers.{i}.{name}.weight")
        # The vision tower has layers of the same number: its names end otherwise.
        y = rms(x, part("input_layernorm"), text["rms_norm_eps"])
        own = lambda name: next(v for k, v in W.items() if "language_model" in k and k.endswith(f"layers.{i}.self_attn.{name}.weight"))
        q, k = (rotate(by_head(F.linear(y, own(f"{p}_proj")), heads), positions) for p, heads in (("q", text["num_attention_heads"]), ("k", text["num_key_value_heads"])))
        v = by_head(F.linear(y, own("v_proj")), text["num_key_value_heads"])
        x = x + F.linear(attend(q, k, v, mask)[0], own("o_proj"))
        y = rms(x, part("post_attention_layernorm"), text["rms_norm_eps"])
        x = x + F.linear(F.silu(F.linear(y, part("mlp.gate_proj"))) * F.linear(y, part("mlp.up_proj")), part("mlp.down_proj"))
    final = next(v for k, v in W.items() if k.endswith("norm.weight") and "layers" not in k)
    return F.linear(rms(x, final, text["rms_norm_eps"]), get("lm_head.weight"))


# This forward pass is transformers' own, as far as there is no cross-attention.
proof = load(f"{base}/golden.safetensors")
ids = [int(i) for i in proof["input_ids"]]
difference = (decode(tower(proof["pixels"]), ids) - proof["logits"]).abs().max().item()
assert difference < 1e-4, difference
print("without cross-attention, largest difference to transformers:", difference)

rule = dict(format="fovea-xattn", version=1, layers=[0, 1], where="before", queries="after-image", gate="tanh", rotary="none", heads=4, keyValueHeads=2,
            headDim=12, rmsNormEps=1e-3, keyValueNorm=True, tileGrid=3, tilePixels=vision["image_size"], maxFrames=5, frameTokens=patches ** 2)
torch.manual_seed(11)
noise = lambda *shape: (torch.randn(*shape) * 0.25).half()
X = {}
for i in rule["layers"]:
    at, q, kv = f"language_model.layers.{i}.cross_attn", rule["heads"] * rule["headDim"], rule["keyValueHeads"] * rule["headDim"]
    X |= {f"{at}.norm.weight": (1 + noise(hidden)).half(), f"{at}.q_proj.weight": noise(q, hidden), f"{at}.k_proj.weight": noise(kv, hidden),
          f"{at}.v_proj.weight": noise(kv, hidden), f"{at}.o_proj.weight": noise(hidden, q), f"{at}.gate": torch.tensor([0.7 - 1.1 * i]).half()}
X |= {"language_model.xattn_kv_norm.weight": (1 + noise(hidden)).half(), "language_model.xattn_tile.weight": noise(rule["tileGrid"] ** 2, hidden),
      "language_model.xattn_frame.weight": noise(rule["maxFrames"], hidden)}
json.dump(rule, open(f"{here}/xattn.json", "w"), indent=1)
save(f"{here}/xattn.safetensors", X)
X = {k: v.float() for k, v in X.items()}


def reader(features, place):
    """The function that lets text rows read these features, and what it noted: attention by layer, of the last call."""
    kv = rms(features, X["language_model.xattn_kv_norm.weight"], rule["rmsNormEps"]) + place
    noted = {}

    def cross(i, rows):
        part = lambda name: X[f"language_model.layers.{i}.cross_attn.{name}"]
        q = by_head(F.linear(rms(rows, part("norm.weight"), rule["rmsNormEps"]), part("q_proj.weight")), rule["heads"])
        k, v = (by_head(F.linear(kv, part(f"{p}_proj.weight")), rule["keyValueHeads"]) for p in "kv")
        context, weights = attend(q, k, v)
        update = torch.tanh(part("gate")) * F.linear(context, part("o_proj.weight"))
        noted[i] = weights, update.norm(dim=-1) / rows.norm(dim=-1)
        return rows + update

    return cross, noted


def run(name, visual, features, place):
    cross, noted = reader(features, place)
    prompt = [1, 20, 21] + [config["image_token_index"]] * len(visual) + [30, 31, 32, 33, 34, 35]
    logits = decode(visual, prompt, cross)
    steps, answer, sequence = [logits[-1]], [], list(prompt)
    for _ in range(2):
        answer.append(int(steps[-1].argmax()))
        sequence.append(answer[-1])
        steps.append(decode(visual, sequence, cross)[-1])
    answer.append(int(steps[-1].argmax()))
    plain = decode(visual, prompt)[-1]
    print(name, "answer", answer, "changed by", (plain - steps[0]).abs().max().item())
    return {f"{name}/input_ids": torch.tensor(prompt).int(), f"{name}/generated_ids": torch.tensor(answer).int(), f"{name}/step_logits": torch.stack(steps),
            f"{name}/plain_logits": plain,
            # Of all text rows behind the image and both steps: [layers, heads, rows, tokens] and [layers, rows].
            f"{name}/attention": torch.stack([noted[i][0] for i in rule["layers"]]), f"{name}/change": torch.stack([noted[i][1] for i in rule["layers"]])}


side, tiles, pixels = patches * rule["tileGrid"], rule["tileGrid"], vision["image_size"]
low, large, frames = (torch.randn(*shape).half() for shape in ((3, pixels, pixels), (3, pixels * tiles, pixels * tiles), (3, 3, pixels, pixels)))
visual = tower(low.float())
raster, places = torch.zeros(side, side, hidden), torch.zeros(side, side, hidden)
for row in range(tiles):
    for column in range(tiles):
        cut = lambda size: (slice(row * size, (row + 1) * size), slice(column * size, (column + 1) * size))
        raster[cut(patches)] = tower(large[(slice(None), *cut(pixels))].float()).view(patches, patches, hidden)
        places[cut(patches)] = X["language_model.xattn_tile.weight"][row * tiles + column]
golden = dict(low=low, large=large, frames=frames)
golden |= run("tiles", visual, raster.view(-1, hidden), places.view(-1, hidden))
shown = [tower(frame.float()) for frame in frames]
golden |= run("frames", shown[0], torch.cat(shown), X["language_model.xattn_frame.weight"][:len(shown)].repeat_interleave(patches ** 2, 0))
save(f"{here}/golden.safetensors", golden)
