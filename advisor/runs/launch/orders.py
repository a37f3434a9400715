"""What is to be launched: read from data and names, or from a plan file."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from advisor.errors import DataError, RunError, UsageError
from advisor.nearest import meant, nearest
from advisor.pricing import PriceBook
from advisor.recommend import read_plan
from advisor.runs.launch.submit import Order
from advisor.runs.names import checked_name
from advisor.runs.run import new_id
from backends import ModelNotTunable

_UNDATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def orders(
    sources: Sequence[str], backends: Sequence[str] = (), models: Sequence[str] = (), name: str | None = None
) -> tuple[list[Order], tuple[str, ...]]:
    """Return what a plan file, or data with backends and models, asks for; and notes on what a plan did not choose.

    One model serves all backends, one backend trains all models, else they go in pairs. Raises UsageError when
    something is missing, DataError when a file is, and RunError when a plan trains nothing. Several are a group, and
    ``name`` gets the number of each behind it.
    """
    if not sources:
        raise UsageError("Give a plan file, or DATA with --backend and --model.")
    for source in sources:
        if source != "-" and not glob.has_magic(source) and not Path(source).exists():
            raise DataError(f"{source}: there is no such file.")
    notes: tuple[str, ...] = ()
    if len(sources) == 1 and sources[0].endswith((".yaml", ".yml")):
        found, notes = _planned(sources[0], backends, models)
    elif not backends or not models:
        raise UsageError("DATA needs --backend and --model; 'tunewise plan DATA' says which to choose.")
    else:
        found = [Order(data=tuple(sources), backend=name, model=model) for name, model in _pairs(backends, models)]
    group = new_id(datetime.now(UTC)) if len(found) > 1 else None
    names = [name] if len(found) == 1 else [f"{name}-{number}" for number in range(1, len(found) + 1)]
    called = [None if name is None else checked_name(str(one)) for one in names]
    return [replace(order, group=group, name=one) for order, one in zip(found, called, strict=True)], notes


def _planned(source: str, names: Sequence[str], models: Sequence[str]) -> tuple[list[Order], tuple[str, ...]]:
    """Read a plan's chosen option, or those of its options that the flags name. Raises RunError when it trains none."""
    plan, notes = read_plan(Path(source)), list[str]()
    if not plan.data:
        raise RunError(
            f"{source}: this plan was made without data, from a description of it, so there is nothing to train on. "
            f"With the data: tunewise launch DATA --backend {plan.option.backend or 'BACKEND'} --model "
            f"{plan.option.model}, or plan again: tunewise plan DATA --out {source}"
        )
    tuned = [option for option in (plan.option, *plan.options) if option.backend is not None and option.strategy.tunes]
    if not names and plan.option not in tuned:
        other = next((option for option in tuned if option.ruled_out_by is None), None)
        hint = f" To train all the same: --backend {other.backend} --model {other.model}." if other else ""
        raise RunError(
            f"{source}: this plan advises {plan.option.strategy} with {plan.option.model}: nothing to train.{hint}"
        )
    if not names:
        assert plan.option.backend is not None
        pairs = [(plan.option.backend, model) for model in models or (plan.option.model,)]
    elif models:
        pairs = _pairs(names, models)
    else:
        firsts = {name: next((one.model for one in tuned if one.backend == name), None) for name in names}
        missing = [name for name, model in firsts.items() if model is None]
        if missing:
            raise UsageError(f"{source} has no option on {', '.join(missing)}; give --model.")
        pairs = [(name, str(model)) for name, model in firsts.items()]
        for name, model in pairs:
            if model != plan.option.model:
                notes.append(
                    f"{source} chose {plan.option.model} on {plan.option.backend or 'no backend'}; what it would train "
                    f"on {name} is {model}, so that is used. For another: --model."
                )
    orders = []
    for name, model in pairs:
        same = [option for option in tuned if option.backend == name]
        option = next((one for one in same if one.model == model), same[0] if same else None)
        order = Order(
            data=tuple(str(path) for path in plan.data),
            backend=name,
            model=model,
            task=plan.workload.task.value if plan.workload.task else None,
            plan=source,
            fingerprint=plan.fingerprint or None,
        )
        if option is not None:
            order = replace(
                order,
                method=option.method or order.method,
                objective=option.objective,
                hyperparameters=option.hyperparameters,
            )
        orders.append(order)
    return orders, tuple(notes)


def check_models(wanted: Sequence[Order]) -> None:
    """Refuse a wrong model before anything else is looked at, as ``resolved`` does."""
    for order in wanted:
        resolved(order)


def resolved(order: Order) -> tuple[Order, tuple[str, ...]]:
    """Return the order with the model's id as its provider has it, and a note where that is not as it was typed.

    Raises UsageError for a model that its provider does not sell, when it reads like a slip of the pen for one that it
    does; ModelNotTunable for what is no model at all here. An id that nobody here knows is sent as it is.
    """
    if order.backend == "local":
        _check_local(order.model)
        return order, ()
    book = PriceBook.load()
    offer = book.offer(order.backend, order.model)
    if offer is not None:
        # A date that the book leaves out belongs to the id all the same.
        if offer.model == order.model or _UNDATED.sub("", order.model) == offer.model:
            return order, ()
        note = f"'{order.model}' is sent as {offer.model}, which is its id at {order.backend}."
        return replace(order, model=offer.model), (note,)
    sold = [offer.model for offer in book.offers(order.backend)]
    spelt = {text.lower(): model for model in sold for text in (model, model.split("/")[-1], _UNDATED.sub("", model))}
    # Only what is all but certainly a slip is refused; any other id that is new here may be sold there.
    near = get_close_matches(order.model.lower(), spelt, n=1, cutoff=0.85)
    if near:
        raise UsageError(
            f"{order.backend} sells no '{order.model}' that the price book knows. Did you mean '{spelt[near[0]]}'? "
            "A model that is new there needs its price in pricing.local.yaml first: 'tunewise prices copy'."
        )
    return order, ()


def _check_local(model: str) -> None:
    """Refuse what is neither a hub id, a folder, nor one of the models made on the spot. Raises ModelNotTunable."""
    from backends.local import TINY, check_model
    from backends.local.pretrained import PRETRAINED

    try:
        check_model(model)
    except ModelNotTunable as error:
        near = nearest(model, (*TINY, *PRETRAINED))
        raise ModelNotTunable(f"{error} {meant(model, near)}" if near else str(error)) from None


def _pairs(names: Sequence[str], models: Sequence[str]) -> list[tuple[str, str]]:
    if len(models) == 1:
        return [(name, models[0]) for name in names]
    if len(names) == 1:
        return [(names[0], model) for model in models]
    if len(names) != len(models):
        raise UsageError(f"{len(names)} backends and {len(models)} models: give one model, or one for each.")
    return list(zip(names, models, strict=True))
