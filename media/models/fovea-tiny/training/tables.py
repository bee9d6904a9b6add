"""The tables of the model card, out of what evaluate.py wrote:   python3 tables.py report.json"""
import json, sys

TASKS = [("position", "position (what is at ...)"), ("where", "where is X"), ("next_to", "next to X"), ("relation", "above / below / left / right of X"), ("count", "count Xs"),
         ("count_all", "count all objects"), ("exist", "is there an X (balanced in training)"), ("absent", "asked about what is not there"), ("size", "largest / smallest"),
         ("bg_color", "background color"), ("text_color", "text color"), ("sign_color", "sign color"), ("has_text", "is there text"), ("read", "read a sign of one word"),
         ("read_seen_words", "- words seen in training"), ("read_unseen_words", "- words never rendered in training"), ("read_many", "read a sign of two or three words"),
         ("read_many_seen_words", "- words seen in training"), ("read_many_unseen_words", "- words never rendered in training"), ("small_text", "small text (em 19-34 px at 1008 px)"),
         ("describe", "describe, whole caption exact"), ("describe_object_recall", "describe, objects named (recall)"), ("all", "**all**")]
CONTROLS = [("base", "base"), ("blank", "blank gray image"), ("flex", "FlexAttention"), ("flexrandom", "FlexAttention, random selection"), ("cross", "XAttn")]
SMALL = [("base", "low resolution only"), ("flex", "**FlexAttention, selected by attention**"), ("flexrandom", "FlexAttention, random selection"), ("cross", "XAttn, all 5184 tokens")]
FRAMES = [("frame_first", "in which frame does X first appear"), ("frame_where", "in which frames is X"), ("frame_times", "how many times does X appear"),
          ("frame_read", "what does the sign say in frame k"), ("frame_read_seen_words", "- words seen in training"), ("frame_read_unseen_words", "- words never rendered in training"),
          ("frame_see", "other questions about frame k"), ("all", "**all**")]
PRUNED = [("base", "all 576", ""), ("merge", "3x3 windows of cosine at least 0.8 merged after the first vision layer, nothing else", "97"), ("cls192", "192 of highest CLS attention", "93"),
          ("cls128", "128", "88"), ("cls64", "64", "75"), ("random192", "192 at random", "clearly less"), ("random128", "128 at random", "clearly less"), ("random64", "64 at random", "clearly less")]


def table(header, rows):
    print("\n".join("| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)) + "\n")


def percent(score):
    return f"{score['acc'] * 100:.1f}"


sets = json.load(open(sys.argv[1]))["sets"]
modes = sets["all"]["modes"]
print(f"{sets['all']['n']} questions\n")
table(["task"] + [n for k, n in CONTROLS if k in modes], [[name] + [percent(modes[k][task]) for k, _ in CONTROLS if k in modes] for task, name in TASKS])
small = sets["small_text"]["modes"]
table([f"{sets['small_text']['n']} questions", "all", "words seen", "never rendered"], [[name] + [percent(small[k][f"small_text{part}"]) for part in ("", "_seen_words", "_unseen_words")] for k, name in SMALL])
frames = sets["frames"]["modes"]
table([f"8 to 64 frames, {sets['frames']['n']} questions", "XAttn over all frames", "first frame only"], [[name] + [percent(frames[k][task]) for k in ("cross", "base")] for task, name in FRAMES])
full = modes["base"]["all"]["acc"]
table(["visual tokens", "accuracy", "share of the full accuracy", "goal"], [[name, percent(modes[k]["all"]), f"{modes[k]['all']['acc'] / full * 100:.1f}", goal] for k, name, goal in PRUNED if k in modes])
# What is read wrong, and at which sizes.
asked = sets["small_text"]["predictions"]
first = sum(q["p_flex"][:2] == q["a"][:2] for q in asked) / len(asked)
print(f"first letter right with FlexAttention: {first * 100:.0f} %")
for low, high in ((0, 20), (20, 24), (24, 28), (28, 100)):
    part = [q for q in asked if q["em"] and low <= q["em"] < high]
    if part:
        print(f"em {low} to {high} px: {sum(q['p_flex'] == q['a'] for q in part) / len(part) * 100:.0f} % of {len(part)}")
