"""What the flags of a launch, or its plan file, ask for: amounts, options, orders."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags.common import Usd as Usd
from advisor.cli.flags.common import made_ready
from advisor.errors import DataError, RunError

if TYPE_CHECKING:
    from advisor.runs import Order
    from backends import Hyperparameters, Json


_UNDATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def orders(sources: tuple[str, ...], names: tuple[str, ...], models: tuple[str, ...]) -> list[Order]:
    """Read what to launch from a plan file or from the flags."""
    from advisor.runs import Order

    if not sources:
        raise click.UsageError("Give a plan file, or DATA with --backend and --model.")
    for source in sources:
        if source != "-" and not glob.has_magic(source) and not Path(source).exists():
            raise DataError(f"{source}: there is no such file.")
    if len(sources) == 1 and sources[0].endswith((".yaml", ".yml")):
        return _planned(sources[0], names, models)
    if not names or not models:
        raise click.UsageError("DATA needs --backend and --model; 'tunewise plan DATA' says which to choose.")
    group = None
    if len(names) > 1:
        from advisor.runs.run import new_id

        group = new_id(datetime.now(UTC))
    return [Order(data=sources, backend=name, model=model, group=group) for name, model in _pairs(names, models)]


def _planned(source: str, names: tuple[str, ...], models: tuple[str, ...]) -> list[Order]:
    """Read a plan's chosen option, or those of its options that the flags name. Raises RunError when it trains none."""
    from advisor.recommend import read_plan
    from advisor.runs import Order

    plan = read_plan(Path(source))
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
            raise click.UsageError(f"{source} has no option on {', '.join(missing)}; give --model.")
        pairs = [(name, str(model)) for name, model in firsts.items()]
        for name, model in pairs:
            if model != plan.option.model:
                render.note(
                    f"note: {source} chose {plan.option.model} on {plan.option.backend or 'no backend'}; what it would "
                    f"train on {name} is {model}, so that is taken. For another: --model."
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
    return orders


def check_models(wanted: Sequence[Order]) -> None:
    """Refuse a model that its provider does not sell, when it reads like a slip of the pen for one that it does.

    Here, refuse what is no model at all.
    """
    from advisor.pricing import PriceBook

    book = PriceBook.load()
    for order in wanted:
        if order.backend == "local":
            _check_local(order.model)
        if book.offer(order.backend, order.model) is not None:
            continue
        sold = [offer.model for offer in book.offers(order.backend)]
        spelt = {
            text.lower(): model for model in sold for text in (model, model.split("/")[-1], _UNDATED.sub("", model))
        }
        near = get_close_matches(order.model.lower(), spelt, n=1, cutoff=0.85)
        if near:
            raise click.UsageError(
                f"{order.backend} sells no '{order.model}' that the price book knows. Did you mean '{spelt[near[0]]}'? "
                "A model that is new there needs its price in pricing.local.yaml first: 'tunewise prices copy'."
            )


def _check_local(model: str) -> None:
    """Refuse what is neither a hub id, a folder, nor one of the models made on the spot. Raises ModelNotTunable."""
    from backends import ModelNotTunable
    from backends.local import TINY, check_model
    from backends.local.pretrained import PRETRAINED

    try:
        check_model(model)
        made_ready(model)
    except ModelNotTunable as error:
        near = get_close_matches(model.lower(), [*TINY, *PRETRAINED], n=1)
        raise ModelNotTunable(f"{error} Did you mean '{near[0]}'?" if near else str(error)) from None


def _pairs(names: tuple[str, ...], models: tuple[str, ...]) -> list[tuple[str, str]]:
    if len(models) == 1:
        return [(name, models[0]) for name in names]
    if len(names) == 1:
        return [(names[0], model) for model in models]
    if len(names) != len(models):
        raise click.UsageError(f"{len(names)} backends and {len(models)} models: give one model, or one for each.")
    return list(zip(names, models, strict=True))


def extras(pairs: tuple[str, ...]) -> dict[str, Json]:
    """Read KEY=VALUE, the value as YAML: a number, true, or text; a date is text."""
    import yaml

    found: dict[str, Json] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--option {pair}: write it as KEY=VALUE.")
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError:
            raise click.UsageError(
                f"--option {pair}: the value is no YAML; quote what is text: {name}='\"...\"'."
            ) from None
        found[name] = value if isinstance(read, date) else read
    return found


def over(planned: Hyperparameters, given: Hyperparameters) -> Hyperparameters:
    """Return the planned settings with those replaced that a flag gave."""
    chosen = {item.name: getattr(given, item.name) for item in fields(given)}
    return replace(planned, **{name: value for name, value in chosen.items() if value is not None})
