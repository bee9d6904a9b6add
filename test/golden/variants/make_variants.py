"""Writes odd little LLaVA checkpoints and what Hugging Face transformers computes with them in float32.

    python3 make_variants.py OUT        (needs torch, transformers, tokenizers, safetensors, pillow, numpy; a CPU will do)

Every variant is one way in which real checkpoints differ: grouped-query heads, rotary scaling, tied head, activation, shards,
precision, select strategy, feature layers, decoder family. Weights are random, so that only arithmetic is tested.
Writes OUT/NAME/{config.json, *.safetensors, golden.safetensors, ...}, OUT/images/* with pixels from the image processors.
"""
import json, os, shutil, sys
import numpy as np, torch, transformers
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPImageProcessor, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, MistralConfig, Qwen2Config

out = sys.argv[1]
IMAGE_TOKEN, VOCABULARY = 90, 96
TEXT = dict(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
            max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=False)
VISION = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=3, image_size=28, patch_size=7, hidden_act="quick_gelu", projection_dim=32)


def rope(**parameters):
    return dict(rope_parameters=dict(rope_theta=10000.0) | parameters)


VARIANTS = {
    "gqa": dict(text=dict(num_key_value_heads=2)),
    "mqa-wide-heads": dict(text=dict(num_key_value_heads=1, head_dim=16)),
    "rope-linear": dict(text=rope(rope_type="linear", factor=4.0)),
    "rope-dynamic": dict(text=rope(rope_type="dynamic", factor=2.0) | dict(max_position_embeddings=16)),
    "rope-llama3": dict(text=rope(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)),
    "rope-yarn": dict(text=rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)),
    "tied-head": dict(text=dict(tie_word_embeddings=True), tie=True),
    "biases": dict(text=dict(attention_bias=True, mlp_bias=True)),
    "full-select": dict(llava=dict(vision_feature_select_strategy="full")),
    "first-feature-layer": dict(llava=dict(vision_feature_layer=1)),
    "last-feature-layer": dict(llava=dict(vision_feature_layer=-1)),
    "feature-layer-list": dict(llava=dict(vision_feature_layer=[-3, -1, 0])),
    "gelu-towers": dict(vision=dict(hidden_act="gelu", layer_norm_eps=1e-3), llava=dict(projector_hidden_act="gelu_pytorch_tanh", multimodal_projector_bias=False)),
    "odd-text": dict(text=dict(hidden_act="gelu", rms_norm_eps=1e-3, num_attention_heads=2, num_key_value_heads=2)),
    "uneven-patches": dict(vision=dict(image_size=30, patch_size=7)),
    "mistral": dict(family=MistralConfig, text=dict(num_key_value_heads=2, sliding_window=None, head_dim=8)),
    "qwen2": dict(family=Qwen2Config, text=dict(num_key_value_heads=2)),
    "bf16": dict(dtype=torch.bfloat16),
    "f32-sharded": dict(dtype=torch.float32, shard="30KB"),
}


def build(name, spec, seed):
    torch.manual_seed(seed)
    family = spec.get("family", LlamaConfig)
    config = LlavaConfig(vision_config=CLIPVisionConfig(**VISION | spec.get("vision", {})), text_config=family(**TEXT | spec.get("text", {})),
                         image_token_index=IMAGE_TOKEN, tie_word_embeddings=spec.get("tie", False), **spec.get("llava", {}))
    model = LlavaForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            parameter.normal_(0, 0.15) if parameter.dim() > 1 else parameter.copy_(("norm" in parameter_name and parameter_name.endswith("weight")) + 0.1 * torch.randn_like(parameter))
        if spec.get("tie"):
            model.tie_weights()
    model = model.to(spec.get("dtype", torch.float16))
    folder = f"{out}/{name}"
    model.save_pretrained(folder, max_shard_size=spec.get("shard", "1GB"))
    return folder


def golden(folder):
    model, info = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    model.eval()
    config = model.config
    side = config.vision_config.image_size
    count = (side // config.vision_config.patch_size) ** 2 + (config.vision_feature_select_strategy == "full")
    pixels = torch.randn(1, 3, side, side)
    ids = torch.tensor([[1, 20, 21] + [IMAGE_TOKEN] * count + [30, 31, 32, 33, 34, 35]])
    with torch.no_grad():
        result = model(input_ids=ids, pixel_values=pixels, attention_mask=torch.ones_like(ids), output_attentions=True, use_cache=False)
        vision = model.model.vision_tower(pixels, output_attentions=True, output_hidden_states=True)
        answer = model.generate(input_ids=ids, pixel_values=pixels, attention_mask=torch.ones_like(ids), max_new_tokens=6, min_new_tokens=6, do_sample=False,
                                output_logits=True, output_attentions=True, return_dict_in_generate=True)
    tensors = dict(pixels=pixels[0], input_ids=ids[0].int(), logits=result.logits[0], generated_ids=answer.sequences[0, -6:].int(),
                   decoder_attention=torch.stack([a[0] for a in result.attentions]), vision_attention=torch.stack([a[0] for a in vision.attentions]),
                   step_logits=torch.stack([step[0] for step in answer.logits]), last_step_attention=torch.stack([a[0, :, -1] for a in answer.attentions[-1]]))
    save_file({k: v.contiguous() for k, v in tensors.items()}, f"{folder}/golden.safetensors")
    print(os.path.basename(folder), sorted(os.listdir(folder)), tuple(result.logits.shape), answer.sequences[0, -6:].tolist(), flush=True)


def images():
    """The same hard pictures through image processors: what the pixels must be."""
    os.makedirs(f"{out}/images", exist_ok=True)
    rng = np.random.default_rng(7)
    noise = lambda h, w: Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8))
    pictures = {"tall": noise(61, 17), "wide": noise(13, 90), "tiny": noise(1, 1), "same": noise(28, 28), "small": noise(12, 19)}
    processors = {
        "clip": dict(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, resample=3),
        "stretch-bilinear": dict(size={"height": 24, "width": 28}, do_center_crop=False, resample=2),
        "crop-larger": dict(size={"shortest_edge": 15}, crop_size={"height": 28, "width": 28}, resample=3),
        "lanczos": dict(size={"shortest_edge": 20}, crop_size={"height": 20, "width": 20}, resample=1),
    }
    tensors = {}
    for picture, image in pictures.items():
        image.save(f"{out}/images/{picture}.png")
        for name, options in processors.items():
            processor = CLIPImageProcessorSlow(**options)
            try:
                tensors[f"{name}/{picture}"] = torch.from_numpy(np.ascontiguousarray(processor(image, return_tensors="np")["pixel_values"][0])).float()
            except Exception as error:
                print("no pixels:", name, picture, repr(error)[:120])
    json.dump(processors, open(f"{out}/images/processors.json", "w"), indent=1)
    save_file(tensors, f"{out}/images/pixels.safetensors")
    print("image processor", CLIPImageProcessorSlow.__name__, {k: tuple(v.shape) for k, v in tensors.items()})


try:
    from transformers import CLIPImageProcessorPil as CLIPImageProcessorSlow
except ImportError:
    CLIPImageProcessorSlow = CLIPImageProcessor
transformers.utils.logging.disable_progress_bar()
print("transformers", transformers.__version__, "torch", torch.__version__)
failed = []
for seed, (name, spec) in enumerate(VARIANTS.items()):
    try:
        golden(build(name, spec, seed))
    except Exception as error:
        failed.append(name)
        print("FAILED", name, repr(error)[:600], flush=True)
try:
    images()
except Exception as error:
    failed.append("images"); print("FAILED images", repr(error)[:600])
print("failed:", failed)
