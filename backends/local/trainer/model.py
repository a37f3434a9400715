"""The model to train: loaded safely, fitted with LoRA or opened whole, and saved so that it loads again."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from backends import Hyperparameters, Method
from backends._install import install_extra, install_package
from backends.local.chat import MaskRefused
from backends.local.options import Options
from backends.local.processor import processor_computes_bf16
from backends.local.trainer import tiny
from backends.local.trainer.loss_mask import template_of

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor


_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "status_alloc_failed")  # torch; its CPU; cuBLAS and cuDNN


class ModelRefused(Exception):
    """The model cannot be loaded or trained this way; the message names the remedy."""


class TooLarge(ModelRefused):
    """The weights alone are more than the device holds."""


def pick_device(asked: str | None) -> torch.device:
    """Return the device to train on: the asked one, else CUDA, else Apple silicon, else the CPU."""
    if asked == "cuda" and not torch.cuda.is_available():
        raise ModelRefused("CUDA was asked for, but torch sees no CUDA device; use device=cpu or fix the driver.")
    if asked is None:
        asked = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    return torch.device(asked)


def pick_dtype(asked: str | None, device: torch.device, published: torch.dtype = torch.bfloat16) -> torch.dtype:
    """Return the precision of the weights: bf16 where the device computes in it, fp32 elsewhere.

    On a processor a base that was ``published`` in fp32 stays so: rounding it gains time, and there is no hurry.
    """
    if asked is None:
        # Older cards pretend to know bf16, at a fraction of the speed.
        known = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        known |= device.type == "cpu" and published.itemsize == 2 and processor_computes_bf16()
        asked = "bf16" if known else "fp32"
    return torch.bfloat16 if asked == "bf16" else torch.float32


def load_tokenizer(base: str, options: Options) -> PreTrainedTokenizerBase:
    """Load the tokenizer with the chat template that everything here renders by; a base model gets a plain one."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            base, trust_remote_code=options.trust_remote_code, revision=options.revision
        )
    except (OSError, ValueError, ImportError) as error:
        # Without that package transformers reads its files as another kind's, and names only what that trips over.
        spoken = any(word in str(error).lower() for word in ("sentencepiece", ".model"))
        if spoken and importlib.util.find_spec("sentencepiece") is None:
            raise ModelRefused(
                f"The tokenizer of '{base}' needs the package 'sentencepiece': {install_package('sentencepiece')}"
            ) from error
        raise ModelRefused(f"The tokenizer of '{base}' cannot be loaded: {first_line(error)}") from error
    if not tokenizer.is_fast:
        raise ModelRefused(f"'{base}' has no fast tokenizer, which masking the answers needs; choose another model.")
    try:
        template = template_of(tokenizer)
    except MaskRefused as error:
        raise ModelRefused(f"'{base}': {error}.") from error
    # What is saved with the tuned model is what was trained with: any server then renders the same.
    several = isinstance(tokenizer.chat_template, dict)
    tokenizer.chat_template = (
        {**tokenizer.chat_template, "default": template.default, "tool_use": template.with_tools}
        if several
        else template.default
    )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(
    base: str, dtype: torch.dtype, device: torch.device, options: Options, *, quantize: bool = False
) -> PreTrainedModel:
    """Load a causal model from a hub id or a folder: safetensors only, no remote code unless asked."""
    more: dict[str, Any] = {}
    if quantize or device.type == "cuda":
        more["device_map"] = {"": device}  # straight onto the card, not through as much main memory first
    if quantize:
        more["quantization_config"] = four_bit(dtype)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            base,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=options.trust_remote_code,
            revision=options.revision,
            **more,
        )
        model = model if quantize else model.to(device)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelRefused(
            f"The model '{base}' cannot be loaded: {first_line(error)} Check the id, the network or the folder."
        ) from error
    except RuntimeError as error:
        # transformers keeps what fails while it stacks or quantises weights to itself, and says this instead.
        converting = device.type == "cuda" and "automatic conversion of the weights" in str(error)
        if not (converting or out_of_memory(error)):
            raise
        raise TooLarge(
            f"The weights of '{base}' do not fit on the device. Use method qlora, a smaller model, or several GPUs "
            "(workers, shard=fsdp); 'tunewise fit' tells what each needs."
            + (" (Or they could not be converted: the log has transformers' report.)" if converting else "")
        ) from error
    model.config.use_cache = False
    return model


def four_bit(dtype: torch.dtype) -> object:
    """Return the NF4 setting of QLoRA: 4-bit weights, double quantisation, computing in ``dtype``."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelRefused(
            f"QLoRA needs the package 'bitsandbytes': {install_extra('qlora')}. Or use --method lora, without it."
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def prepare(
    model: PreTrainedModel, method: Method, settings: Hyperparameters, options: Options, base: str
) -> PreTrainedModel | PeftModel:
    """Choose what is trained: everything, or LoRA on all linear layers in the precision of the base."""
    if method is Method.FULL:
        return model.requires_grad_(True)
    from peft import LoraConfig, get_peft_model

    names = options.target_modules.split(",") if options.target_modules else _all_linear(model)
    config = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout or 0.0,
        target_modules=names,
        # A model of random weights has no embeddings to build on, so it learns them too.
        modules_to_save=["embed_tokens", "lm_head"] if is_tiny(model) else None,
        task_type="CAUSAL_LM",
    )
    with peft_asks_by_an_old_name():
        tuned = get_peft_model(model, config, autocast_adapter_dtype=False)
    tuned.peft_config["default"].base_model_name_or_path = base
    tuned.peft_config["default"].revision = options.revision
    for parameter in trained(tuned).values():  # over a 4-bit base peft leaves them in fp32
        parameter.data = parameter.data.to(model.dtype)
    return tuned


def _all_linear(model: PreTrainedModel) -> str:
    """Name every linear layer but the output head; of a model that also sees, only those that read text."""
    decoder = decoder_of(model)
    if decoder is model.base_model:
        return "all-linear"
    path = next(name for name, module in model.named_modules() if module is decoder)
    kinds = {name.rpartition(".")[2] for name, part in decoder.named_modules() if isinstance(part, torch.nn.Linear)}
    return rf"{re.escape(path)}\..*\b({'|'.join(sorted(map(re.escape, kinds)))})"


@contextmanager
def peft_asks_by_an_old_name() -> Iterator[None]:
    """Keep peft's question for a renamed property out of trainer.log; transformers answers it until its version 6."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        yield


def is_tiny(model: PreTrainedModel) -> bool:
    """Tell whether the model was made on the spot."""
    return bool(getattr(model.config, tiny.MARK, False))


def causal(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """Return the causal model inside an adapter, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def decoder_of(model: PreTrainedModel) -> PreTrainedModel:
    """Return the part of a causal model that reads text: the stack of decoder layers between embedding and head."""
    return model.get_decoder()


def trained(model: PreTrainedModel | PeftModel) -> dict[str, Tensor]:
    """Return the parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def save(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    state: Mapping[str, Tensor] | None = None,
) -> None:
    """Write adapter (or model) and tokenizer into ``folder``, all at once; ``state`` stands in for split weights."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    more: dict[str, Any] = {"state_dict": dict(state)} if state else {}
    if hasattr(model, "peft_config"):
        more["save_embedding_layers"] = False  # we never resize them, and finding that out asks the hub
    try:
        model.save_pretrained(aside, **more)
        tokenizer.save_pretrained(aside)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)  # half a model is none
        raise
    (aside / "README.md").unlink(missing_ok=True)  # peft's empty form; an export writes the real card
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def rest(model: torch.nn.Module) -> None:
    """Switch dropout off; ``model.train()`` switches it on again."""
    model.eval()
    for module in model.modules():
        # In eval mode bitsandbytes repacks 4-bit weights on a CPU for good, into a form that has no gradients.
        if type(module).__name__ == "Linear4bit":
            module.train()


def recompute_activations(model: PreTrainedModel) -> None:
    """Trade time for memory: keep one tensor per layer and compute the rest again in the backward pass."""
    # The name changed within transformers 5; the old one warns where the new one exists.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    model.enable_input_require_grads()


def context_length(base: str, options: Options) -> int:
    """Return the longest sequence the model was made for, in tokens."""
    config = load_config(base, options).get_text_config()
    return int(getattr(config, "max_position_embeddings", None) or 4096)


def published_dtype(base: str, options: Options) -> torch.dtype:
    """Return the precision that the base is published in."""
    dtype = load_config(base, options).dtype
    return dtype if isinstance(dtype, torch.dtype) else torch.float32


def load_config(base: str, options: Options) -> PreTrainedConfig:
    """Read the base's config.json. Raises ModelRefused."""
    try:
        return AutoConfig.from_pretrained(base, trust_remote_code=options.trust_remote_code, revision=options.revision)
    except (OSError, ValueError) as error:
        raise ModelRefused(
            f"The model '{base}' cannot be loaded: {first_line(error)} Check the id, the network or the folder."
        ) from error


def out_of_memory(error: BaseException) -> bool:
    """Tell whether torch, or a library under it, ran out of memory."""
    return any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def first_line(error: BaseException) -> str:
    """Return the first sentence of a long message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
