"""Everything before the first step: data, model and plan are made ready, and each choice is said in a sentence."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
import transformers

from backends import JobSpec, Json, Method, Objective
from backends.local.chat import FIXED_DATE, ChatTemplate
from backends.local.folder import RunFolder, write_json
from backends.local.hyperparameters import settle
from backends.local.model_path import base_of
from backends.local.options import TINY, Options
from backends.local.trainer import attention, memory, tiny, torch_compile
from backends.local.trainer import model as models
from backends.local.trainer.data import Item, hold_out
from backends.local.trainer.distributed import World
from backends.local.trainer.known_tokens import check_known
from backends.local.trainer.loss import pack_batch, pad_batch, sequence_logprobs, token_losses
from backends.local.trainer.loss_mask import Encoded, template_of
from backends.local.trainer.microbatch import batch_of
from backends.local.trainer.optimizer import Masters
from backends.local.trainer.packing import Plan
from backends.local.trainer.readme import write_readme
from backends.local.trainer.run_log import Record
from backends.local.trainer.sharding import fold, shard
from backends.local.trainer.state import Progress, Run
from backends.local.trainer.token_cache import load_cached
from backends.local.training_memory import experts_of

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_PACKAGES = ("tunewise", "peft", "safetensors", "tokenizers", "bitsandbytes")  # beside torch and transformers
_EVALUATED = 256  # validation examples looked at during training
# Two ways to the losses of a text are the same up to rounding when no _IN_A_ROW tokens differ by more than this on
# average, in nats. bf16 moves a single token of SmolLM2 by up to 0.24 and eight in a row by 0.10; eight that see
# another sequence move by 4.9 or more (three shipped data files).
_SAME_FP32, _SAME_BF16 = 2e-4, 0.3
_IN_A_ROW = 8
_PROBED = 128  # tokens of an example whose losses are compared with those of the model's own code


def set_up(
    spec: JobSpec, options: Options, folder: RunFolder, record: Record, world: World
) -> tuple[Run, Masters, Progress]:
    """Load data and model and decide what was left open."""
    device = _device(options, world)
    if device.type == "cpu":
        memory.keep_little()
    # Threads wait for each other in every operation; the operations of a tiny model are too small to be worth it.
    torch.set_num_threads(options.threads or (1 if spec.model in TINY else torch.get_num_threads()))
    seed = spec.hyperparameters.seed
    base = base_of(spec.model, spec.train_file, seed)
    if spec.model in TINY:
        if world.first:
            tiny.make(Path(base), spec.train_file, seed)
        world.wait()
    tokenizer = models.load_tokenizer(base, options)
    context = models.context_length(base, options)
    dtype = models.pick_dtype(options.precision, device, models.published_dtype(base, options))
    most = min(spec.hyperparameters.max_seq_length or context, context)
    train, valid, notes, left_out = _items(spec, options, tokenizer, most)
    notes += _about(template_of(tokenizer))
    torch.manual_seed(seed)
    # A model that is split over the ranks need not fit on one of them, so it is split out of main memory.
    first = torch.device("cpu") if options.split else device
    model = models.load_base(base, dtype, first, options, quantize=spec.method is Method.QLORA)
    embeds = spec.method is Method.FULL or models.is_tiny(model)
    for items, file in ((train, spec.train_file), (valid, spec.validation_file or spec.train_file)):
        check_known(model, tokenizer, items, file, embeds=embeds)
    if spec.method is Method.QLORA and experts_of(model.config.get_text_config().to_dict())[0]:
        notes.append(
            "The experts of this mixture stay in 16 bits: only linear layers are put in 4 bits, and these are not."
        )
    settings, reasons = settle(
        spec.hyperparameters,
        spec.method,
        spec.objective,
        examples=len(train),
        tokens=sum(item.length for item in train),
        context=context,
        from_scratch=models.is_tiny(model),
        parameters=model.num_parameters(),
    )
    tuned = models.prepare(model, spec.method, settings, options, base)
    model = models.causal(tuned)
    if options.split:
        shard(model, device)
    _check_losses(model, train[0].sequences[0], device)
    own_attention = model.config._attn_implementation
    packed, packing = _choose_packing(model, train, bool(settings.packing), tokenizer, device)
    longest = max(item.length for item in (*train, *valid))
    choice = memory.choose(
        memory.needs_of(
            model,
            spec.method,
            sum(parameter.numel() for parameter in models.trained(tuned).values()),
            options.target_modules,
            world.size if options.split else 1,
        ),
        memory.room_on(device),
        longest,
        cpu=device.type == "cpu",
        asked=options.micro_batch_tokens,
        recompute=options.gradient_checkpointing,
    )
    precision = "bf16, learned in fp32 master copies" if dtype == torch.bfloat16 else "fp32"
    run = Run(
        spec=spec,
        settings=settings,
        options=options,
        folder=folder,
        record=record,
        world=world,
        model=tuned,
        tokenizer=tokenizer,
        device=device,
        own_attention=own_attention,
        packed=packed,
        train=train,
        valid=valid,
        plan=Plan(len(train), settings.batch_size or 1, settings.epochs or 1, settings.seed, options.max_steps),
    )
    run.reference.update(_reference(run))
    said = torch_compile.settle(run)
    if world.first:
        sentences = [*notes, *reasons, packing, choice.reason, *([said] if said else [])]
        _write_down(run, [*sentences, f"On {device.type} in {precision}."], left_out, base, choice.predicted)
    model.train()
    fold(model)
    masters = Masters(
        models.trained(tuned), learning_rate=settings.learning_rate or 0.0, weight_decay=settings.weight_decay or 0.0
    )
    return run, masters, Progress(choice.tokens, choice.recompute)


def _device(options: Options, world: World) -> torch.device:
    try:
        return world.device(models.pick_device(options.device))
    except ValueError as error:
        raise models.ModelRefused(str(error)) from error


def _items(
    spec: JobSpec, options: Options, tokenizer: PreTrainedTokenizerBase, longest: int
) -> tuple[list[Item], list[Item], list[str], list[str]]:
    """Return training items, validation items, notes about the former, and sentences on rows that were left out."""
    seed = spec.hyperparameters.seed
    train, notes, lost = load_cached(
        spec.train_file, tokenizer, objective=spec.objective, loss_on=options.loss_on, longest=longest
    )
    left_out = [lost]
    if spec.validation_file:
        valid, _, lost = load_cached(
            spec.validation_file, tokenizer, objective=spec.objective, loss_on=options.loss_on, longest=longest
        )
        left_out.append(lost)
    else:
        train, valid = hold_out(train, options.validation_fraction, seed)
    if len(valid) > _EVALUATED:
        notes.append(f"Validation looks at {_EVALUATED} of {len(valid)} examples, the same ones each time.")
        valid = random.Random(seed).sample(valid, _EVALUATED)
    return train, valid, notes, [said for said in left_out if said]


def _about(template: ChatTemplate) -> list[str]:
    """Say what is changed of the model's chat template; it is saved with the tuned model as it was trained with."""
    said = []
    if template.dated:
        said.append(
            f"The chat template writes the date: it is {FIXED_DATE} in training and in the template saved with the "
            "tuned model, so that what is served is what was trained."
        )
    if not template.own:
        said.append("The model has no chat template; it learns a plain one, which is saved with the tuned model.")
    if not template.writes_end:
        said.append(f"The chat template writes nothing after an answer: {template.end} is learned as its end.")
    return said


def _check_losses(model: PreTrainedModel, example: Encoded, device: torch.device) -> None:
    """Refuse a model whose own code makes other logits of its output head than we do. Raises ModelRefused."""
    batch = pad_batch([_head(example, _PROBED)], 0, device)
    models.rest(model)
    with torch.no_grad():
        ours = token_losses(model, batch)
        own = model(**batch.inputs, use_cache=False).logits[0, :-1].float()
        apart = _difference(F.cross_entropy(own, batch.targets, reduction="none"), ours)
    if apart > _rounding(model):
        raise models.ModelRefused(
            f"'{model.config.model_type}' models make the logits of an answer otherwise than this trainer knows "
            f"(losses differ by {apart:.2g}), so it would learn the wrong thing; choose a model of another kind."
        )


def _difference(losses: Tensor, others: Tensor) -> float:
    """Return the largest mean difference, in nats, of a few tokens in a row; both are losses [S] of the same tokens."""
    apart = (losses - others).abs()
    return float(apart.unfold(0, min(_IN_A_ROW, len(apart)), 1).mean(1).max())


def _rounding(model: PreTrainedModel) -> float:
    return _SAME_FP32 if model.dtype == torch.float32 else _SAME_BF16


def _choose_packing(
    model: PreTrainedModel, items: Sequence[Item], asked: bool, tokenizer: PreTrainedTokenizerBase, device: torch.device
) -> tuple[bool, str]:
    """Pack when packed losses equal those of each sequence alone; else pad batches of like length."""
    if not asked:
        return False, "Padded batches of similar length, as asked."
    own = model.config._attn_implementation
    probes = sorted((part for item in items[:64] for part in item.sequences), key=lambda part: len(part.ids))
    # Three in one pass must not be more than the longest alone, which has to fit: a long one between two short heads.
    long = len(probes[-1].ids)
    short = _head(probes[0], max(2, min(_PROBED, long // 4)))
    probes = [short, _head(probes[len(probes) // 2], max(2, long - 2 * len(short.ids))), short]
    pad = int(tokenizer.pad_token_id or 0)
    models.rest(model)
    with torch.no_grad():
        alone = torch.cat([token_losses(model, pad_batch([probe], pad, device)) for probe in probes])
    try:
        model.set_attn_implementation(attention.NAME)
        batch = pack_batch(probes, device)
        with torch.no_grad():
            apart = _difference(token_losses(model, batch), alone)
        reason = f"losses differ by {apart:.2g}"
        model.train()  # once as training does: with the model's own dropout, and back
        token_losses(model, batch).sum().backward()
    except (NotImplementedError, RuntimeError, ValueError, TypeError) as error:
        apart, reason = math.inf, models.first_line(error)
    for parameter in model.parameters():
        parameter.grad = None
    if apart <= _rounding(model):
        return True, "Packed: sequences share a forward pass without seeing each other (checked at start)."
    model.set_attn_implementation(own)
    return False, f"Padded batches of similar length: packing is not exact with this model ({reason})."


def _head(sequence: Encoded, tokens: int) -> Encoded:
    """Return the first ``tokens`` of a sequence, all of them supervised."""
    ids = sequence.ids[:tokens]
    return replace(sequence, ids=ids, weights=(1.0,) * len(ids))


def _reference(run: Run) -> dict[int, tuple[float, float]]:
    """Return the log-probabilities of both answers of every pair under the model as it came."""
    if run.spec.objective is not Objective.DPO:
        return {}
    without = run.model.disable_adapter() if hasattr(run.model, "disable_adapter") else contextlib.nullcontext()
    found = {}
    models.rest(run.model)
    with torch.no_grad(), without:
        for item in (*run.train, *run.valid):
            preferred, other = sequence_logprobs(models.causal(run.model), batch_of(run, item.sequences)).tolist()
            found[id(item)] = (preferred, other)
    return found


def _write_down(run: Run, sentences: list[str], left_out: list[str], base: str, predicted: float) -> None:
    """Say the choices as events, and keep them and the environment as files; ``predicted`` bytes at the peak."""
    for sentence in left_out:
        run.record.event(sentence, level="warning")
    for sentence in sentences:
        run.record.event(sentence)
    write_json(
        run.folder.chosen,
        {
            "base": base,
            "hyperparameters": asdict(run.settings),
            "packed": run.packed,
            "predicted_gb": predicted / 1e9,
            "because": list(sentences),
            "left_out": list(left_out),
        },
    )
    write_readme(run.folder.readme, run.spec, len(run.train), run.plan.steps, [*left_out, *sentences])
    write_json(run.folder.environment, _environment(run))


def _environment(run: Run) -> dict[str, Json]:
    """Return what the run depends on and a later one may lack."""
    cuda = run.device.type == "cuda"
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if cuda else None,
        "transformers": transformers.__version__,
        "packages": {name: _version(name) for name in _PACKAGES},
        "device": torch.cuda.get_device_name(run.device) if cuda else run.device.type,
        "device_gb": torch.cuda.get_device_properties(run.device).total_memory / 1e9 if cuda else None,
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "ranks": run.world.size,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
