"""How fast tokens are counted: ours and the script everyone copies, on the same file, in the same run.

    python benchmarks/tokens.py [FILE] [--mb 220] [--checks] [--runs 5]

FILE is JSONL in OpenAI's chat format; without it a file of 220 MB is made from the standard library's code and
documentation and from invented words in seven scripts. Prints one JSON document: megabytes and tokens per second of
each, their ratio, whether the counts are identical, and the peak resident memory of ours with its processes. Of several
runs, which take turns, speeds and ratios are of the middle one, beside the range of the ratios.

There are two scripts people copy. "naive" is the leanest: json.loads, and tiktoken once for every text. "published" is
what OpenAI's cookbook gives for the data of fine-tuning: it holds the whole file, counts billed tokens, role and all,
and then the assistant's tokens once more - two of the figures that ours gives.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

_SCRIPTS = {  # first and last letter, letters per word: enough to look like words to a tokenizer
    "cyrillic": (0x430, 0x44F, 8), "greek": (0x3B1, 0x3C9, 7), "arabic": (0x627, 0x64A, 5), "hindi": (0x905, 0x939, 4),
    "chinese": (0x4E00, 0x6FFF, 2), "japanese": (0x3041, 0x3093, 4), "korean": (0xAC00, 0xC7FF, 3),
}  # fmt: skip
_SYSTEMS = [
    f"You are assistant number {n}. Answer briefly, in the user's language, and cite the manual." for n in range(9)
]


_LOOK_S = 0.2  # between looks at the memory: each walks over all of it, on a core that the processes need
_COUNTS = {"examples", "tokens", "billed", "trained"}


def make(path: Path, megabytes: int, seed: int = 0) -> None:
    """Write about ``megabytes`` MB of varied chat examples."""
    dice = random.Random(seed)
    library = Path(sysconfig.get_paths()["stdlib"])
    code = "\n".join(p.read_text(errors="replace") for p in sorted(library.glob("*.py"))[:120])
    topics = library / "pydoc_data" / "topics.py"
    prose = topics.read_text().replace("\\n", "\n") if topics.is_file() else code
    words = {
        name: ["".join(chr(dice.randint(low, high)) for _ in range(dice.randint(1, size * 2))) for _ in range(4000)]
        for name, (low, high, size) in _SCRIPTS.items()
    }

    def cut(text: str, low: int, high: int) -> str:
        start = dice.randrange(len(text) - high)
        return text[start : start + dice.randint(low, high)]

    def text(low: int, high: int) -> str:
        kind = dice.random()
        if kind < 0.6:
            return cut(prose, low, high)
        if kind < 0.8:
            return cut(code, low, high)
        name = dice.choice(list(words))
        chosen = dice.choices(words[name], k=max(1, dice.randint(low, high) // 6))
        # Chinese and Japanese put no space between words, and a comma after every third or so.
        joint = (lambda: dice.choice(("", "", "，"))) if name in ("chinese", "japanese") else (lambda: " ")
        return "".join(word + joint() for word in chosen) + dice.choice("。.!?🙂🚀")

    limit, size = megabytes * 1_000_000, 0
    with path.open("w", encoding="utf-8") as stream:
        while size < limit:
            messages = [{"role": "system", "content": dice.choice(_SYSTEMS)}]
            for _ in range(dice.choice((1, 1, 1, 2, 3))):
                messages.append({"role": "user", "content": text(60, 900)})
                messages.append({"role": "assistant", "content": text(100, 2400)})
            if dice.random() < 0.05:
                call = {
                    "name": "lookup",
                    "arguments": json.dumps({"query": text(10, 60), "limit": dice.randint(1, 99)}),
                }
                messages[-1] = {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": call}]}
            line = json.dumps({"messages": messages}, ensure_ascii=dice.random() < 0.3) + "\n"
            size += stream.write(line) if line.isascii() else stream.write(line) and len(line.encode())


def naive(path: Path) -> dict[str, int]:
    """The script everyone copies: json.loads, and tiktoken on every message and every tool call's arguments."""
    from advisor.tokens._vocabulary import encoding  # tiktoken's own encoding, without its download

    encode = encoding("o200k_base").encode_ordinary
    examples = tokens = 0
    with path.open(encoding="utf-8-sig") as stream:
        for line in stream:
            if not line.strip():
                continue
            examples += 1
            for message in json.loads(line)["messages"]:
                content = message.get("content")
                if isinstance(content, str):
                    tokens += len(encode(content))
                elif isinstance(content, list):
                    tokens += sum(len(encode(part["text"])) for part in content if part.get("type") == "text")
                for call in message.get("tool_calls") or ():
                    tokens += len(encode(call["function"]["name"])) + len(encode(call["function"]["arguments"]))
    return {"examples": examples, "tokens": tokens}


def published(path: Path) -> dict[str, int]:
    """The cookbook's way; tool calls, at which its functions fail, are counted too, so that the counts can be equal."""
    from advisor.tokens._vocabulary import encoding

    encode = encoding("o200k_base").encode
    with path.open(encoding="utf-8-sig") as stream:
        dataset = [json.loads(line) for line in stream]
    billed = trained = 0
    for example in dataset:
        for message in example["messages"]:
            billed += 3
            for value in message.values():
                if isinstance(value, str):
                    billed += len(encode(value))
            billed += sum(len(encode(text)) for text in _called(message))
        billed += 3
    for example in dataset:
        for message in example["messages"]:
            if message["role"] == "assistant":
                texts = [message.get("content") or "", *_called(message)]
                trained += sum(len(encode(text)) for text in texts)
    billed -= 2 * len(dataset)  # it adds 3 for each example, of which OpenAI bills 1 (advisor/tokens/_billing.py)
    return {"examples": len(dataset), "billed": billed, "trained": trained}


def _called(message: dict[str, Any]) -> list[str]:
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    return [function[key] for function in functions for key in ("name", "arguments")]


def ours(path: Path, checks: bool) -> dict[str, int]:
    """The product's own pass, without its cache."""
    from advisor.dataset import Dataset
    from advisor.tokens._blocks import examine

    tally = examine(Dataset.open(path), checks=checks)
    return {
        "examples": tally.examples,
        **{name: getattr(tally, name)["o200k_base"] for name in ("tokens", "billed", "trained")},
    }


_WAYS = {
    "naive": naive,
    "published": published,
    "ours": lambda path: ours(path, False),
    "ours_with_checks": lambda path: ours(path, True),
}


def measured(way: str, path: Path) -> dict[str, float]:
    """Run one way in a fresh interpreter; seconds include its start, megabytes are of all its processes together."""
    command = [sys.executable, __file__, str(path), "--way", way]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peaks, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_S):
            peaks.append(_resident_mb(child.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    said, _ = child.communicate()
    seconds = time.perf_counter() - begin
    ended.set()
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if child.returncode:
        sys.exit(f"{way} failed")
    found = json.loads(said)
    return {**found, "seconds": seconds, "cpu": cpu, "peak_mb": max(*peaks, found["peak_mb"])}


def _resident_mb(pid: int) -> float:
    """Proportional resident memory of a process and its children (Linux); 0 where the system does not tell."""
    total = 0.0
    for one in [pid, *_children(pid)]:
        try:
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024 / 1e6
        except OSError:
            continue
    return total


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in tasks.read_text().split()]
        except OSError:
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--mb", type=int, default=220, help="size of the file that is made when none is given")
    parser.add_argument("--checks", action="store_true", help="measure the pass with all quality checks as well")
    parser.add_argument("--runs", type=int, default=1, help="how often each is measured, in turn")
    parser.add_argument("--make", action="store_true", help="only write FILE, of --mb megabytes")
    parser.add_argument("--way", choices=_WAYS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.way:
        found = _WAYS[chosen.way](chosen.file)
        print(json.dumps({**found, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}))
    elif chosen.make:
        make(chosen.file, chosen.mb)
    elif chosen.file:
        report(chosen.file, chosen.checks, chosen.runs)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "made.jsonl"
            make(path, chosen.mb)
            report(path, chosen.checks, chosen.runs)


def report(path: Path, checks: bool, runs: int) -> None:
    """Measure and print the document. What is written just before is written out first: the first run is ours."""
    megabytes = path.stat().st_size / 1e6
    os.sync()
    path.open("rb").read(1)
    measures = [{way: measured(way, path) for way in ("ours", "naive", "published")} for _ in range(runs)]
    fast, slow, whole = (_middle([run[way] for run in measures]) for way in ("ours", "naive", "published"))
    ratios = {way: [run[way]["seconds"] / run["ours"]["seconds"] for run in measures] for way in ("naive", "published")}
    document: dict[str, object] = {
        "file": path.name,
        "mb": round(megabytes, 1),
        "runs": runs,
        "examples": fast["examples"],
        "tokens": fast["tokens"],
        "ours_mb_per_s": round(megabytes / fast["seconds"], 1),
        "naive_mb_per_s": round(megabytes / slow["seconds"], 1),
        "ratio": round(median(ratios["naive"]), 2),
        "ratio_range": [round(end(ratios["naive"]), 2) for end in (min, max)],
        "published_mb_per_s": round(megabytes / whole["seconds"], 1),
        "ratio_published": round(median(ratios["published"]), 2),
        "ratio_published_range": [round(end(ratios["published"]), 2) for end in (min, max)],
        "identical": all(
            run["ours"][name] == run[way][name]
            for run in measures
            for way in ("naive", "published")
            for name in _COUNTS & run[way].keys()
        ),
        "peak_mb": round(max(run["ours"]["peak_mb"] for run in measures), 1),
        "naive_peak_mb": round(slow["peak_mb"], 1),
        "published_peak_mb": round(whole["peak_mb"], 1),
        "tokens_per_s": round(fast["tokens"] / fast["seconds"]),
        "naive_tokens_per_s": round(slow["tokens"] / slow["seconds"]),
        "ours_cpu_s": round(fast["cpu"], 2),  # of all processes: comparable when others use the machine too
        "naive_cpu_s": round(slow["cpu"], 2),
        "published_cpu_s": round(whole["cpu"], 2),
        # Half where two cores are wholly used; 1 where only one is, or others have the second.
        "ours_wall_per_cpu": [round(run["ours"]["seconds"] / run["ours"]["cpu"], 2) for run in measures],
    }
    if checks:
        checked = measured("ours_with_checks", path)
        document["with_checks_mb_per_s"] = round(megabytes / checked["seconds"], 1)
        document["with_checks_peak_mb"] = round(checked["peak_mb"], 1)
        document["with_checks_cpu_s"] = round(checked["cpu"], 2)
    print(json.dumps(document, indent=2))


def _middle(runs: list[dict[str, float]]) -> dict[str, float]:
    return sorted(runs, key=lambda run: run["seconds"])[len(runs) // 2]


if __name__ == "__main__":
    main()
