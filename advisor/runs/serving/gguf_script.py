"""Runs llama.cpp's converter in llama.cpp's own Python, where nothing of ours can be imported: standard library alone.

The converter knows a tokenizer by a checksum of what it makes of a sample text. One that was trained on a user's own
data has a checksum of its own, although it may split text as GPT-2's does; for the models made on the spot it is known
that it does, and for those alone the converter is told so.
"""

import importlib
import json
import sys
from pathlib import Path


def main() -> None:
    """Call: gguf_script.py CONVERTER MODEL_FOLDER --outfile FILE ..."""
    converter, model = Path(sys.argv[1]), Path(sys.argv[2])
    sys.argv = sys.argv[1:]
    sys.path[0] = str(converter.parent)
    module = importlib.import_module(converter.stem)
    if json.loads((model / "config.json").read_text(encoding="utf-8")).get("made_on_the_spot"):
        splits_as_gpt2(module.ModelBase)
    module.main()


def splits_as_gpt2(kind: type) -> None:
    """Let every kind of model that looks its tokenizer up find GPT-2's."""
    if "get_vocab_base_pre" in vars(kind):
        setattr(kind, "get_vocab_base_pre", lambda model, tokenizer: "gpt-2")  # noqa: B010  not ours, so not typed
    further: type
    for further in type.__subclasses__(kind):
        splits_as_gpt2(further)


if __name__ == "__main__":
    main()
