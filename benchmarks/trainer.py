"""How fast and how small our trainer is beside TRL's SFTTrainer: same model, data, tokens and threads, in one run.

    python benchmarks/trainer.py [--device cpu|cuda] [--model smollm2] [--rounds 3] [--peer-python PYTHON]
                                 [--peers trl_packed,trl_packed_bf16]

Every contestant trains in a process of its own. Tokens are real ones, padding not counted; time is the training loop
alone; the loss is measured afterwards for all of them by one plain forward pass over the same held-out rows.
Contestants take turns, ``--rounds`` times; of each the median speed counts. ``--model smollm2`` is the small real
model, on a processor in bf16 where ours would take it and, so that nobody is held back, for one of the peers too.
TRL is no dependency: give an interpreter that has it (``pip install trl``) with --peer-python.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PEERS = ("trl_default", "trl_packed", "trl_packed_bf16", "trl_bucketed")
REAL = "smollm2"
SHAPES: dict[str, dict[str, int]] = {
    "5m": {"hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 4, "num_attention_heads": 8,
           "num_key_value_heads": 4, "vocab_size": 4096},
    # The published shapes of Llama-3.2-1B and Llama-3-8B, with random weights.
    "1b": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
           "num_key_value_heads": 8, "vocab_size": 128256},
    "8b": {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
           "num_key_value_heads": 8, "vocab_size": 128256},
}  # fmt: skip
# Dense bf16 peak in TFLOP/s, from NVIDIA's data sheets; the longest name that fits counts.
PEAK_TFLOPS = {
    "H200": 989, "H100": 989, "H100 NVL": 835, "H100 PCIe": 756, "A100": 312, "L40S": 362, "L4": 121, "RTX 4090": 165,
}  # fmt: skip
LEARNING_RATE, RANK, BATCH = 1e-3, 16, 8


def main() -> None:
    arguments = parse()
    if arguments.contestant:
        print(json.dumps(CONTESTANTS[arguments.contestant](arguments)))
        return
    with tempfile.TemporaryDirectory() as name:
        arguments.work = arguments.work or Path(name)
        print("making model and data", file=sys.stderr)
        prepare(arguments)
        everyone = ("ours", *arguments.peers)
        rounds = [{who: contest(who, arguments) for who in everyone} for _ in range(arguments.rounds)]
        results = {who: median([one[who] for one in rounds], arguments.device) for who in everyone}
    speeds = {who: result.get("tokens_per_cpu_s" if arguments.device == "cpu" else "tokens_per_s")
              for who, result in results.items()}  # fmt: skip
    rivals = {who: speed for who, speed in speeds.items() if who != "ours" and speed}
    print(json.dumps({
        **results,
        "ratio": round(speeds["ours"] / max(rivals.values()), 2) if rivals and speeds["ours"] else None,
        "ratios": {who: round(speeds["ours"] / speed, 2) for who, speed in rivals.items() if speeds["ours"]},
        "ratio_of": "tokens per CPU-second" if arguments.device == "cpu" else "tokens per second",
        "hfu": results["ours"].get("hfu"),
        "device": arguments.device, "model": arguments.model, "rows": arguments.rows, "threads": arguments.threads,
        "rounds": arguments.rounds,
    }, indent=1))  # fmt: skip


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--model", choices=(*SHAPES, REAL), help="shape of the random Llama (default: 5m, on a GPU 1b)")
    parser.add_argument("--rows", type=int, help="training conversations (default: 96, on a GPU 1024)")
    parser.add_argument("--batch", type=int, help="conversations in a step (default: 8, on a GPU 32)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1, help="how often each contestant takes its turn")
    parser.add_argument("--peers", type=lambda text: tuple(text.split(",")), default=PEERS, help="default: all of them")
    parser.add_argument("--peer-python", default=sys.executable, help="an interpreter that has trl")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--contestant", choices=tuple(CONTESTANTS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    gpu = arguments.device == "cuda"
    arguments.model = arguments.model or ("1b" if gpu else "5m")
    arguments.rows = arguments.rows or (1024 if gpu else 96)
    arguments.batch = arguments.batch or (32 if gpu else BATCH)
    return arguments


def contest(who: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one contestant in its own process and return what it measured."""
    print(f"training: {who}", file=sys.stderr)
    python = sys.executable if who == "ours" else arguments.peer_python
    # -P: this folder must not shadow the peers' own imports (it has a datasets.py).
    command = [python, "-P", str(Path(__file__).resolve()), "--contestant", who]
    for name in ("device", "model", "rows", "batch", "threads", "work"):
        command += [f"--{name}", str(getattr(arguments, name))]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if found.returncode != 0:
        last = (found.stderr.strip().splitlines() or ["no message"])[-1]
        return {"tokens_per_s": None, "peak_gb": None, "loss": None, "failed": last}
    result: dict[str, Any] = json.loads(found.stdout.strip().splitlines()[-1])
    print(json.dumps(result), file=sys.stderr)  # so that a run that is broken off still told something
    return result


def median(turns: list[dict[str, Any]], device: str) -> dict[str, Any]:
    """Return the turn of median speed; one that failed counts as the slowest."""
    key = "tokens_per_cpu_s" if device == "cpu" else "tokens_per_s"
    return sorted(turns, key=lambda turn: turn.get(key) or 0.0)[len(turns) // 2]


def prepare(arguments: argparse.Namespace) -> None:
    """Write data of chat-like lengths (mean about 270 tokens, long tail) and a random Llama with its tokenizer.

    The real model is copied, with a template that marks the answers: without marks TRL trains on all tokens.
    """
    import torch
    from transformers import AutoTokenizer, LlamaConfig
    from transformers.models.auto import AutoModelForCausalLM

    from backends.local import pretrained
    from backends.local.trainer import tiny

    chance = random.Random(0)
    words = ["".join(chance.choices("aeioubcdfglmnprst", k=chance.randint(3, 9))) for _ in range(5000)]
    for name, count in (("train", arguments.rows), ("held", 24)):
        with (arguments.work / f"{name}.jsonl").open("w") as file:
            for _ in range(count):
                length = min(int(chance.lognormvariate(5.0, 0.85)), 800)
                if arguments.model == REAL:
                    length //= 3  # its tokenizer never saw these words and takes three tokens for one
                asked = " ".join(chance.choices(words[:800], k=max(4, int(length * 0.8))))
                said = " ".join(chance.choices(words[:200], k=max(3, int(length * 0.2))))
                turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
                file.write(json.dumps({"messages": turns}) + "\n")
    if arguments.model == REAL:
        pretrained.make(REAL)
        shutil.copytree(pretrained.located(REAL), arguments.work / "model")
        real = AutoTokenizer.from_pretrained(arguments.work / "model")
        real.chat_template = tiny.CHAT_TEMPLATE
        real.save_pretrained(arguments.work / "model")
        return
    tokenizer = tiny._tokenizer(arguments.work / "train.jsonl")
    tokenizer.save_pretrained(arguments.work / "model")
    torch.manual_seed(0)
    config = LlamaConfig(
        **SHAPES[arguments.model], max_position_embeddings=8192, tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    dtype = torch.float32 if arguments.device == "cpu" else torch.bfloat16
    with torch.device(arguments.device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.save_pretrained(arguments.work / "model")


def ours(arguments: argparse.Namespace) -> dict[str, Any]:
    """Train with the product as it is."""
    import torch

    from backends import Hyperparameters, JobSpec, Json
    from backends.local.folder import RunFolder, read_json, write_json
    from backends.local.options import spec_to_json
    from backends.local.trainer import train

    folder = RunFolder(Path(tempfile.mkdtemp(dir=arguments.work)))
    settings = Hyperparameters(
        epochs=1, batch_size=arguments.batch, learning_rate=LEARNING_RATE, warmup_ratio=0.0, lora_rank=RANK,
        lora_alpha=2 * RANK,
    )  # fmt: skip
    options: dict[str, Json] = {"device": arguments.device, "threads": arguments.threads}
    write_json(folder.config, spec_to_json(JobSpec(
        "ours", "local", str(arguments.work / "model"), arguments.work / "train.jsonl", hyperparameters=settings,
        options=options,
    )))  # fmt: skip
    clock = Clock(arguments.device)
    loop = train._loop

    def timed(*arguments: Any) -> None:
        clock.start()
        loop(*arguments)
        clock.stop()

    train._loop = timed
    if train.main([str(folder.path)]) != 0:
        raise SystemExit(str(read_json(folder.status).get("error")))
    tokens = int(str(read_json(folder.summary)["trained_tokens"]))
    recompute = bool(read_json(folder.summary)["gradient_checkpointing"])
    torch.set_num_threads(arguments.threads)
    return clock.result(arguments, tokens, folder.tuned, recompute=recompute)


def trl(arguments: argparse.Namespace, *, half: bool = False, **settings: Any) -> dict[str, Any]:
    """Train with SFTTrainer: ``settings`` on top of what makes the runs comparable; ``half``: a bf16 model."""
    import torch
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(arguments.threads)
    data = load_dataset("json", data_files=str(arguments.work / "train.jsonl"), split="train")
    tokenizer = AutoTokenizer.from_pretrained(arguments.work / "model")
    tokens = sum(len(tokenizer.apply_chat_template(row["messages"], return_dict=True)["input_ids"]) for row in data)
    chosen = {
        "output_dir": str(arguments.work / "trl"), "num_train_epochs": 1, "learning_rate": LEARNING_RATE,
        "per_device_train_batch_size": arguments.batch, "lr_scheduler_type": "cosine", "report_to": "none",
        "save_strategy": "no", "assistant_only_loss": True, "max_length": 8192, "disable_tqdm": True,
        "use_cpu": arguments.device == "cpu", "seed": 0,
    } | settings  # fmt: skip
    clock = Clock(arguments.device)

    class Timed(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            clock.start()

        def on_train_end(self, *_: Any, **__: Any) -> None:
            clock.stop()

    dtype = torch.float32 if arguments.device == "cpu" and not half else torch.bfloat16
    trainer = SFTTrainer(
        model=str(arguments.work / "model"),
        args=SFTConfig(**chosen, model_init_kwargs={"dtype": dtype}),
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM"),
        callbacks=[Timed()],
    )
    trainer.train()
    trainer.save_model(str(arguments.work / "trl" / "tuned"))
    recompute = bool(getattr(trainer.args, "gradient_checkpointing", False))
    return clock.result(arguments, tokens, arguments.work / "trl" / "tuned", recompute=recompute)


def trl_default(arguments: argparse.Namespace) -> dict[str, Any]:
    """SFTTrainer as it comes: padded batches, activation checkpointing, bf16 autocast."""
    return trl(arguments)


def trl_packed(arguments: argparse.Namespace, *, half: bool = False) -> dict[str, Any]:
    """Best documented: best-fit packing, no activation checkpointing; about as many tokens in a step as ours."""
    best = {"packing": True, "packing_strategy": "bfd", "max_length": 1024, "bf16": half or arguments.device == "cuda"}
    size = {"per_device_train_batch_size": max(1, arguments.batch * 270 // 1024)}
    return trl(arguments, half=half, **best, **size, **_without_checkpointing())


def trl_packed_bf16(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same with a model in bf16, which on a processor it does not take by itself."""
    return trl_packed(arguments, half=True)


def trl_bucketed(arguments: argparse.Namespace) -> dict[str, Any]:
    """Best documented without packing: batches of like length, no activation checkpointing."""
    like = {"train_sampling_strategy": "group_by_length", "bf16": arguments.device == "cuda"}
    return trl(arguments, **like, **_without_checkpointing())


def _without_checkpointing() -> dict[str, Any]:
    """Return the switch under the name this version has for it."""
    from trl import SFTConfig

    names = SFTConfig.__dataclass_fields__
    new, old = "activation_checkpointing", "gradient_checkpointing"
    return {new if new in names else old: False}


class Clock:
    """Wall and processor time of the loop, and the peak memory of the process."""

    def __init__(self, device: str) -> None:
        self._cuda = device == "cuda"
        self._wall = self._cpu = self._peak = 0.0

    def start(self) -> None:
        self._sync()
        self._wall, self._cpu = -time.perf_counter(), -time.process_time()

    def stop(self) -> None:
        self._sync()
        self._wall += time.perf_counter()
        self._cpu += time.process_time()
        if self._cuda:
            import torch

            self._peak = torch.cuda.max_memory_allocated() / 1e9
        else:
            self._peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9

    def _sync(self) -> None:
        if self._cuda:
            import torch

            torch.cuda.synchronize()

    def result(self, arguments: argparse.Namespace, tokens: int, tuned: Path, *, recompute: bool) -> dict[str, Any]:
        speed = tokens / self._wall
        return {
            "tokens_per_s": round(speed, 1),
            "tokens_per_cpu_s": round(tokens / self._cpu, 1),
            "peak_gb": round(self._peak, 3),
            "loss": round(held_out_loss(arguments, tuned), 4),
            "tokens": tokens,
            "seconds": round(self._wall, 2),
            **({"hfu": hfu(arguments, speed, recompute=recompute)} if self._cuda else {}),
        }


def held_out_loss(arguments: argparse.Namespace, tuned: Path) -> float:
    """Return the loss per supervised token on the held-out rows: the plain forward pass, one row at a time."""
    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    dtype = torch.float32 if arguments.device == "cpu" else torch.bfloat16
    model = AutoPeftModelForCausalLM.from_pretrained(tuned, dtype=dtype).to(arguments.device).eval()
    tokenizer = AutoTokenizer.from_pretrained(arguments.work / "model")
    summed, count = 0.0, 0
    for line in (arguments.work / "held.jsonl").read_text().splitlines():
        encoded = tokenizer.apply_chat_template(
            json.loads(line)["messages"], return_assistant_tokens_mask=True, return_dict=True, return_tensors="pt"
        ).to(arguments.device)
        with torch.no_grad():
            logits = model(input_ids=encoded["input_ids"]).logits[0, :-1].float()
        losses = torch.nn.functional.cross_entropy(logits, encoded["input_ids"][0, 1:], reduction="none")
        asked = torch.as_tensor(encoded["assistant_masks"]).to(losses.device)[0, 1:].bool()
        summed, count = summed + losses[asked].sum().item(), count + int(asked.sum())
    return summed / count


def hfu(arguments: argparse.Namespace, tokens_per_s: float, *, recompute: bool) -> float | None:
    """Return hardware FLOPs utilisation: 4N a token for LoRA (6N with recomputation), N without the embedding."""
    import torch

    name = torch.cuda.get_device_name()
    peak = next((PEAK_TFLOPS[key] for key in sorted(PEAK_TFLOPS, key=len, reverse=True) if key in name), None)
    if peak is None:
        return None
    shape = SHAPES[arguments.model]
    hidden, wide = shape["hidden_size"], shape["intermediate_size"]
    kv = hidden * shape["num_key_value_heads"] // shape["num_attention_heads"]
    layers = shape["num_hidden_layers"] * (2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * wide)
    return round((6 if recompute else 4) * layers * tokens_per_s / (peak * 1e12), 3)


CONTESTANTS = {
    "ours": ours,
    "trl_default": trl_default,
    "trl_packed": trl_packed,
    "trl_packed_bf16": trl_packed_bf16,
    "trl_bucketed": trl_bucketed,
}

if __name__ == "__main__":
    main()
