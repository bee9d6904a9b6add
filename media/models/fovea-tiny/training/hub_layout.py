"""The tensor names of the published files."""


def hub_state(m):
    """-> (base, flex, xattn) dicts in the tensor layout of llava-hf/llava-1.5-7b-hf (the *hub file* names)."""
    base, flex, xa = {}, {}, {}
    for n, p in m.state_dict().items():
        if n.startswith("vision."):
            base["vision_tower.vision_model." + n[7:]] = p
        elif n.startswith("linear_"):
            base["multi_modal_projector." + n] = p
        elif n.startswith("lm."):
            base["language_model.model." + n[3:]] = p
        elif n.startswith("lm_head."):
            base["language_model." + n] = p
        elif n.startswith("flex."):
            _, kv, i, w = n.split(".")
            flex[f"language_model.layers.{i}.self_attn.{kv}_proj_hr.weight"] = p
        elif n.startswith("xattn."):
            xa[n.replace("xattn.blocks.", "language_model.layers.").replace("xattn.", "language_model.xattn_") if not n.startswith("xattn.blocks.")
               else "language_model.layers." + n.split(".")[2] + ".cross_attn." + ".".join(n.split(".")[3:])] = p
    return base, flex, xa
