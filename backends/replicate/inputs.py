"""The inputs that a version on Replicate declares: which there are, and what we send under which name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backends._base import Json, Message
from backends._errors import SpecRefused
from backends._hyperparameters import Hyperparameters, stated

# What trainers call our settings: the names of cog-llama-template and of the Flux trainer, then plain ones.
_INPUT_NAMES: Mapping[str, tuple[str, ...]] = {
    "epochs": ("num_train_epochs", "epochs", "n_epochs"),
    "batch_size": ("train_batch_size", "batch_size"),
    "learning_rate": ("learning_rate", "lr"),
    "warmup_ratio": ("warmup_ratio",),
    "weight_decay": ("weight_decay",),
    "lora_rank": ("lora_rank", "lora_r"),
    "lora_alpha": ("lora_alpha",),
    "lora_dropout": ("lora_dropout",),
    "max_seq_length": ("max_seq_length", "cutoff_len"),
    "packing": ("pack_sequences", "packing"),
}
_FILE_INPUTS = ("train_data", "training_data", "dataset", "input_images")
_KINDS: Mapping[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def declared_inputs(version: Mapping[str, object], name: str) -> Mapping[str, Mapping[str, Json]] | None:
    """Return the properties of the schema called ``name`` in a version, or None when it declares none."""
    found: object = version.get("openapi_schema")
    for key in ("components", "schemas", name, "properties"):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    return {str(key): schema for key, schema in found.items() if isinstance(schema, Mapping)}


def file_input(declared: Mapping[str, Mapping[str, Json]]) -> str:
    """Return the name of the input that takes the training file. Raises SpecRefused when it cannot be told."""
    uris = [name for name, schema in declared.items() if schema.get("format") == "uri"]
    for name in (*_FILE_INPUTS, *uris):
        if name in uris:
            return name
    raise SpecRefused(f"This trainer takes no training file; its inputs are: {', '.join(sorted(declared))}.")


def hyperparameter_inputs(chosen: Hyperparameters, declared: Mapping[str, Mapping[str, Json]]) -> dict[str, Json]:
    """Return ``chosen`` under this trainer's names. Raises SpecRefused for a setting it does not have."""
    inputs: dict[str, Json] = {}
    for setting in stated(chosen):
        names = [name for name in _INPUT_NAMES.get(setting, ()) if name in declared]
        if not names:
            raise SpecRefused(
                f"This trainer has no setting '{setting}'; its inputs are: {', '.join(sorted(declared))}."
            )
        inputs[names[0]] = getattr(chosen, setting)
    if "seed" in declared:
        inputs["seed"] = chosen.seed
    return inputs


def check_inputs(inputs: Mapping[str, Json], declared: Mapping[str, Mapping[str, Json]]) -> None:
    """Check names, kinds and bounds of ``inputs`` against what the trainer declares. Raises SpecRefused."""
    for name, value in inputs.items():
        schema = declared.get(name)
        if schema is None:
            raise SpecRefused(f"This trainer has no input '{name}'; it takes: {', '.join(sorted(declared))}.")
        kinds = _KINDS.get(str(schema.get("type")))
        if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            raise SpecRefused(f"Input '{name}' of this trainer is {schema['type']}, not {value!r}.")
        choices = schema.get("enum")
        if isinstance(choices, list) and value not in choices:
            raise SpecRefused(f"Input '{name}' of this trainer is one of {choices}, not {value!r}.")
        if isinstance(value, int | float):
            low, high = schema.get("minimum"), schema.get("maximum")
            if (isinstance(low, int | float) and value < low) or (isinstance(high, int | float) and value > high):
                raise SpecRefused(f"Input '{name}' of this trainer goes from {low} to {high}; {value} is outside.")


def prompt_inputs(
    messages: Sequence[Message],
    declared: Mapping[str, Mapping[str, Json]],
    max_tokens: int,
    temperature: float,
    seed: int | None,
) -> dict[str, Json]:
    system = [_text(message) for message in messages if message["role"] == "system"]
    turns = [message for message in messages if message["role"] != "system"]
    if "system_prompt" not in declared:
        turns, system = list(messages), []
    only = len(turns) == 1
    prompt = _text(turns[0]) if only else "\n".join(f"{turn['role']}: {_text(turn)}" for turn in turns)
    inputs: dict[str, Json] = {"prompt": prompt}
    if system:
        inputs["system_prompt"] = "\n".join(system)
    for name in ("max_new_tokens", "max_tokens", "max_length"):
        if name in declared:
            inputs[name] = max_tokens
            break
    if "temperature" in declared:
        low = declared["temperature"].get("minimum")
        inputs["temperature"] = max(temperature, float(low)) if isinstance(low, int | float) else temperature
    if seed is not None and "seed" in declared:
        inputs["seed"] = seed
    return inputs


def _text(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return content or ""


def trainer(model: str) -> tuple[str, str, str]:
    owner, _, rest = model.partition("/")
    name, _, version = rest.partition(":")
    if not (owner and name and version):
        raise SpecRefused(f"'{model}' is not a version on Replicate; write owner/name:version.")
    return owner, name, version
