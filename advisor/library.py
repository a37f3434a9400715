"""What the commands do, as functions: check, plan, price, launch, watch, evaluate and receipt in a few lines each.

Nobody is asked anything here: calling ``launch`` is the agreement, and what costs money needs ``max_usd``. State
lives where the commands keep it (``$TUNEWISE_HOME``), so that a run started by either is seen by both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache, partial
from pathlib import Path

import backends as places
from advisor import hardware
from advisor.dataset import Dataset
from advisor.errors import UsageError, WorkloadError
from advisor.evaluate import Scorecard
from advisor.hardware import Fit
from advisor.hardware.models import like
from advisor.pricing import PriceBook
from advisor.recommend import Recommendation, recommend, sharpened, with_gpu_names
from advisor.recommend.spending import Spending, spend
from advisor.runs import Ledger, Receipt, Run, Update, Watch
from advisor.runs import receipt as receipt_of
from advisor.runs.evaluation.evaluate import Options, evaluate_data, evaluate_run
from advisor.runs.evaluation.measurements import of_ledger, of_pilot
from advisor.runs.evaluation.plain_classifier import measured_on
from advisor.runs.follow.watch import refreshed
from advisor.runs.launch.limits import Limits, hold
from advisor.runs.launch.orders import check_models, orders
from advisor.runs.launch.proposal import Proposal, discard, propose
from advisor.runs.launch.start import start
from advisor.tokens import Profile, profile, synthetic
from advisor.workload import Workload, load_workload, parse_workload
from backends import DEFAULT_LORA_RANK, Backend, Hyperparameters, Json, Method, Objective

Data = str | Path
Needs = Workload | Mapping[str, object] | str | Path | None


def check(
    *data: Data,
    backend: str | None = None,
    model: str | None = None,
    objective: str | None = None,
    columns: Mapping[str, str] | None = None,
    validation: Data | None = None,
) -> Profile:
    """Read data, count its tokens and find what is wrong with it: ``problems``, ``tokens``, ``quality``.

    ``backend`` and ``model`` hold it against what is taken there; ``columns`` maps our fields to the file's. Raises
    DataError when the data cannot be read at all.
    """
    return profile(
        Dataset.open(*data, columns=columns),
        backend=backend,
        model=model,
        objective=Objective(objective) if objective else None,
        validation=Dataset.open(validation, columns=columns) if validation else None,
    )


def plan(
    *data: Data,
    workload: Needs = None,
    backends: Sequence[str] = (),
    models: Sequence[str] = (),
    pilot: Path | None = None,
    prices: PriceBook | None = None,
    today: date | None = None,
) -> Recommendation:
    """Recommend what to do with this data: prompt, few-shot or tune; where, for how much, and what would change it.

    ``workload``: the values, a mapping with the keys of the workload file, or its path; without data its ``data``
    block describes it. Your own evaluations of this data in the ledger count, and so does ``pilot``, a file that
    `tunewise pilot` wrote. Raises DataError and WorkloadError.
    """
    needs = with_gpu_names(_workload(workload))
    described = _described(data, needs)
    own, notes = of_ledger(described.fingerprint, on_premises=needs.on_premises)
    if pilot is not None:
        own = (of_pilot(pilot, described.examples), *own)
    own = (*own, *measured_on(data, described, needs))
    return recommend(
        described,
        needs,
        prices or PriceBook.load(),
        today=today or date.today(),
        backends=backends,
        models=models,
        data=" ".join(str(one) for one in data) or "DATA",
        own=own,
        notes=notes,
    )


def budget(
    *data: Data,
    usd: Decimal | int,
    workload: Needs = None,
    backends: Sequence[str] = (),
    models: Sequence[str] = (),
    prices: PriceBook | None = None,
    today: date | None = None,
) -> Spending:
    """Return what a sum buys over the horizon: the plan within it, month by month, and what more would buy."""
    needs = with_gpu_names(_workload(workload).model_copy(update={"budget_usd": None}))
    described, book, day = _described(data, needs), prices or PriceBook.load(), today or date.today()
    own, notes = of_ledger(described.fingerprint, on_premises=needs.on_premises)
    ask = partial(recommend, described, book=book, today=day, backends=backends, models=models, own=own, notes=notes)
    limit = Decimal(usd)
    within = ask(needs.model_copy(update={"budget_usd": limit}))
    return spend(limit, ask(needs), within.recommendation, described, sharpened(needs, own), book, day)


def fit(
    model: str,
    *,
    gpus: Sequence[str],
    method: str = "lora",
    rank: int = DEFAULT_LORA_RANK,
    seq: int = 2048,
    params: int | None = None,
) -> tuple[Fit, ...]:
    """Say for each GPU whether training ``model`` fits there. ``seq`` in tokens; ``params`` sizes an unknown model.

    Raises WorkloadError where the model or a GPU is not known.
    """
    shape = hardware.architecture(model) or (like(params, model) if params else None)
    if shape is None:
        raise WorkloadError(f"'{model}' is not in the catalogue; give a folder with its config.json, or params.")
    cards = [hardware.gpu_named(name) for name in gpus]
    return tuple(hardware.fit(shape, Method(method), card, rank=rank, seq=seq, micro_batch=None) for card in cards)


def price(
    *data: Data, backend: str, model: str, method: str = "lora", gpu: str | None = None, today: date | None = None
) -> Proposal:
    """Return what a launch would start and cost, without starting it: ``.run.quote``, ``.notes``.

    Nothing is uploaded and nothing is kept.
    """
    (one,), _ = orders([str(part) for part in data], [backend], [model])
    found = propose(replace(one, method=Method(method)), gpu=gpu, today=today or date.today())
    discard([found])
    return found


def launch(
    *sources: Data,
    backends: Sequence[str] = (),
    models: Sequence[str] = (),
    max_usd: Decimal | int | None = None,
    method: str | None = None,
    hyperparameters: Hyperparameters | None = None,
    options: Mapping[str, Json] | None = None,
    held_out: float = 0.1,
    name: str | None = None,
    monthly_usd: Decimal | int | None = None,
    gpu: str | None = None,
    today: date | None = None,
) -> tuple[Run, ...]:
    """Start a job on each backend, once: of data, or of a plan file's own choice. This call is the agreement.

    What costs money needs ``max_usd``, the most that all of it may cost together. Raises OverLimit above it, RunError,
    DataError or BackendError; where several are started, the first error is raised after all were tried.
    """
    wanted, _ = orders([str(part) for part in sources], backends, models, name)
    check_models(wanted)
    wanted = [
        replace(
            order,
            method=Method(method) if method else order.method,
            hyperparameters=hyperparameters or order.hyperparameters,
            options={**order.options, **(options or {})},
            held_out=held_out,
        )
        for order in wanted
    ]
    limits = Limits(
        today or date.today(),
        None if max_usd is None else Decimal(max_usd),
        None if monthly_usd is None else Decimal(monthly_usd),
        unattended=True,
    )
    proposals: list[Proposal] = []
    try:
        proposals.extend(
            propose(order, gpu=gpu, today=limits.today, seed=order.hyperparameters.seed) for order in wanted
        )
        hold(proposals, limits)
        proposals = [one.checked() for one in proposals]
    except BaseException:
        discard(proposals)
        raise
    ledger = Ledger.open()
    try:
        results = list(start(ledger, proposals, limits))
    finally:
        for one in proposals:
            one.backend.close()
    failed = next((one.error for one in results if one.error is not None), None)
    if failed is not None:
        raise failed
    return tuple(ledger.get(one.run) for one in results)


def watch(*runs: Run | str, on_update: Callable[[Update], object] = lambda update: None) -> tuple[Run, ...]:
    """Follow runs to their ends and return them; ``on_update`` hears of every change on the way."""
    ledger = Ledger.open()
    names = [ledger.get(_id(run)).id for run in runs]
    with ExitStack() as held:

        @cache
        def backend_of(name: str) -> Backend:
            return held.enter_context(closing(places.get(name)))

        for update in Watch(ledger, names, backend_of).updates():
            on_update(update)
    return tuple(ledger.get(name) for name in names)


def evaluate(
    what: Run | str | Path,
    *,
    options: Options | None = None,
    backend: str | None = None,
    model: str | None = None,
    today: date | None = None,
) -> Scorecard:
    """Score a run's tuned model beside its base on what it never saw, and keep the scorecard with the run.

    Or, with ``backend`` and ``model``, score a model on a file of questions. ``options`` says beside what, by which
    metric and within which money limit.
    """
    chosen, day, book = options or Options(), today or date.today(), PriceBook.load()
    if backend is not None and model is not None:
        with closing(places.get(backend)) as place:
            return evaluate_data((Path(str(what)),), place, model, book, chosen, today=day)
    ledger = Ledger.open()
    run = ledger.get(_id(what))
    with closing(places.get(run.spec.backend)) as place:
        run = refreshed(ledger, run, place)
        found = evaluate_run(run, place, book, chosen, today=day)
    ledger.append(run.id, "scorecard", found)
    return found


def receipt(run: Run | str) -> Receipt:
    """Set what a run was quoted at beside what it took: tokens, minutes, dollars, memory."""
    ledger = Ledger.open()
    found = ledger.get(_id(run))
    if not found.job.status.finished and found.job.id is not None:
        with closing(places.get(found.spec.backend)) as place:
            refreshed(ledger, found, place)
    return receipt_of(ledger, found.id)


def _described(data: Sequence[Data], needs: Workload) -> Profile:
    if data:
        return profile(Dataset.open(*data))
    if needs.data is None:
        raise UsageError("Give data, or a workload whose 'data' block describes it.")
    return synthetic(needs.data, needs.task)


def _workload(needs: Needs) -> Workload:
    if isinstance(needs, Workload):
        return needs
    if isinstance(needs, Mapping):
        return parse_workload(dict(needs), "workload")
    return Workload.model_validate({}) if needs is None else load_workload(Path(needs))


def _id(run: Run | str | Path) -> str:
    return run.id if isinstance(run, Run) else str(run)
