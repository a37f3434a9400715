"""The process that reads a tokenizer: how its chat template takes turns, and conversations as the model reads them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends.local.chat import ChatTemplate, MaskRefused, Turn
from backends.local.options import Options
from backends.local.trainer import model as models
from backends.local.trainer.loss_mask import template_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_SYSTEM, _USER, _ANSWER, _AGAIN = "qk7 rules", "qk7 question", "qk7 answer", "qk7 more"


def describe(folder: Path, asked: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how the tokenizer in ``folder`` takes turns, and each of ``asked`` as the model reads it."""
    tokenizer = models.load_tokenizer(str(folder), Options())
    template = template_of(tokenizer)
    (end, number), (_, of_call) = (_first_token(tokenizer, one) for one in (template.end, template.end_of_call))
    ends = dict.fromkeys([*_listed(folder), tokenizer.eos_token_id, number, of_call])
    stops = [tokenizer.decode([one]) for one in ends if one is not None]
    bare = tokenizer("a")["input_ids"]
    begin = tokenizer.bos_token if bare and bare[0] == tokenizer.bos_token_id else None
    shape, beyond = shape_of(template)
    texts = [template.prompt(one["messages"], one["tools"]) for one in asked]
    return {
        "template": template.default,
        "dated": template.dated,
        "end": end,
        "stops": stops,
        "begin": begin,
        "shape": shape,
        "beyond": beyond,
        "prompts": [
            {"text": text, "tokens": len(tokenizer(text, add_special_tokens=False)["input_ids"])} for text in texts
        ],
    }


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> tuple[str, int | None]:
    """Return what ends an answer: its first token as text and number; no number where it is several of plain text."""
    return _first_token(tokenizer, template_of(tokenizer).end)


def _first_token(tokenizer: PreTrainedTokenizerBase, behind: str) -> tuple[str, int | None]:
    ids = tokenizer(behind, add_special_tokens=False)["input_ids"]
    first = tokenizer.decode(ids[:1])
    return (first, ids[0]) if ids[0] in tokenizer.all_special_ids or len(ids) == 1 else (behind, None)


def ends_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return each token that ends an answer; a base's own list often lacks the one that ends the template's turns."""
    listed = model.generation_config.eos_token_id
    template = template_of(tokenizer)
    ours = [_first_token(tokenizer, end)[1] for end in (template.end, template.end_of_call)]
    known = [*(listed if isinstance(listed, list) else [listed]), tokenizer.eos_token_id, *ours]
    return list(dict.fromkeys(one for one in known if one is not None))


def ready_to_serve(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Make what is saved of ``model`` stop, wherever it is served, at the tokens the trainer's own answers stop at."""
    model.generation_config.eos_token_id = ends_of(model, tokenizer)
    model.generation_config._from_model_config = False  # else a server takes the list of config.json instead
    model.config.use_cache = True  # loading for training had switched it off


def shape_of(template: ChatTemplate) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the text the template puts around each turn; None, and why, where it does more than that."""
    system, user, answer, again = (
        _turn("system", _SYSTEM), _turn("user", _USER), _turn("assistant", _ANSWER), _turn("user", _AGAIN),
    )  # fmt: skip

    def write(*conversation: Turn, prompt: bool = False) -> str:
        return template.render(conversation, prompt=prompt)

    try:
        whole = write(system, user, answer, again)
        last = whole.partition(_AGAIN)[2]
        opening = write(system, user, answer, again, prompt=True).removeprefix(whole)
        between = whole.partition(_USER)[2].partition(_ANSWER)[0]
        after = write(user, answer).partition(_ANSWER)[2]
        turned = whole.partition(_ANSWER)[2].partition(_AGAIN)[0]
        before_user = turned.removeprefix(after)
        before_system, _, rest = whole.partition(_SYSTEM)
        after_system = rest.partition(_USER)[0].removesuffix(before_user)
        begin = dict(template.tokens).get("bos_token", "")
        start = begin if before_system.startswith(begin) else ""
        before_system = before_system.removeprefix(start)
        found: dict[str, Any] = {
            "start": start,
            "around": {
                "system": [before_system, after_system],
                "user": [before_user, last],
                "assistant": [between.removeprefix(last), after],
            },
            "opening": opening,
            "default_system": None,
        }
        alone = write(user, prompt=True)
        ours = _assembled(found, [user])
        if alone != ours:
            inner = alone.removeprefix(start + before_system).partition(after_system + before_user + _USER)[0]
            if alone == _assembled(found, [_turn("system", inner), user]):
                found["default_system"] = inner
        tries = [[system, user], [system, user, answer, again], [user, answer, again]]
        for conversation in tries:
            shown = conversation
            if conversation[0] is not system and found["default_system"] is not None:
                shown = [_turn("system", found["default_system"]), *conversation]
            theirs = write(*conversation, prompt=True)
            if theirs != _assembled(found, shown):
                roles = ", ".join(str(turn["role"]) for turn in conversation)
                return None, [f"the chat template does more than put text around each turn (seen with: {roles})"]
        if found["default_system"] is None and alone != ours:
            return None, ["the chat template changes a question that has no system prompt"]
    except MaskRefused as error:
        return None, [str(error)]
    beyond = []
    if write(_turn("user", " x "), prompt=True) == write(_turn("user", "x"), prompt=True):
        beyond.append("the chat template trims white space around what is said")
    return found, beyond


def aloud(work: Callable[[], Mapping[str, Any]]) -> None:
    """Do the work and print its result as JSON; what libraries print goes to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        said: Mapping[str, Any] = work()
    except (models.ModelRefused, MaskRefused) as error:
        said = {"error": str(error)}
    except Exception as error:  # noqa: BLE001  the caller gets a sentence
        said = {"error": f"{type(error).__name__}: {models.first_line(error)}"}
    with out:
        json.dump(said, out)


def _assembled(shape: Mapping[str, Any], conversation: Sequence[Turn]) -> str:
    around = shape["around"]
    said = [around[turn["role"]][0] + turn["content"] + around[turn["role"]][1] for turn in conversation]
    return str(shape["start"] + "".join(said) + shape["opening"])


def _turn(role: str, content: str) -> Turn:
    return {"role": role, "content": content}


def _listed(folder: Path) -> list[int]:
    """Return the end tokens that the model's own settings for generating list."""
    try:
        ends = json.loads((folder / "generation_config.json").read_text(encoding="utf-8")).get("eos_token_id")
    except (OSError, ValueError):
        return []
    return ends if isinstance(ends, list) else [ends] if isinstance(ends, int) else []


if __name__ == "__main__":
    aloud(lambda: describe(Path(sys.argv[1]), json.load(sys.stdin)))
