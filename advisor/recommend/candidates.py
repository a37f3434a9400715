"""Every way worth weighing, made concrete: prompts, hosted and local fine-tuning, retrieval; nothing is judged here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import backends
from advisor import hardware
from advisor.estimate.replicas import shape_of
from advisor.estimate.values import Candidate, Strategy
from advisor.evidence import catalogue
from advisor.hardware import Architecture, Serving
from advisor.pricing import PriceBook, TrainingOffer
from advisor.recommend.hyperparameters import settings_for
from advisor.recommend.prospect import Prospect, named, recipes
from advisor.task import TaskType
from advisor.tokens import Profile
from advisor.workload import Workload
from backends import Method, Objective

_LOCAL = tuple(strategy for strategy in Strategy if strategy.local)


def prospects(
    profile: Profile, workload: Workload, book: PriceBook, places: tuple[str, ...], models: tuple[str, ...]
) -> tuple[Prospect, ...]:
    """Return what is worth weighing. ``places`` and ``models`` (empty: all) narrow what is tuned, and where."""
    known = frozenset(backends.names())
    found = [
        *_prompts(profile, workload, book, models, known),
        *_hosted(profile, workload, book, places, models, known),
        *_local(profile, workload, places, models),
        _retrieval(),
        *_classifier(profile, workload),
    ]
    return tuple({item.id: item for item in found}.values())


def _prompts(
    profile: Profile, workload: Workload, book: PriceBook, models: tuple[str, ...], known: frozenset[str]
) -> Iterator[Prospect]:
    """Each model worth prompting with and without examples; the dearer recipes for the first one only."""
    for rank, (provider, model) in enumerate(_prompted_models(workload, book, models)):
        place = provider if provider in known else None
        end = book.retirement(provider, model)
        for recipe in recipes(profile, workload):
            if recipe.suffix and rank:
                continue
            yield Prospect(
                id=f"{recipe.strategy}:{provider}/{model}{recipe.suffix}",
                candidate=Candidate(
                    recipe.strategy,
                    place,
                    model,
                    shots=recipe.shots,
                    varying_shots=recipe.varies,
                    serving="tokens",
                    provider=provider,
                ),
                variant=recipe.text,
                retires=end.retires if end else None,
                seller=provider,
            )


def _prompted_models(workload: Workload, book: PriceBook, models: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return provider and model, the one whose prompt was measured first, then in the price book's order."""
    listed = [(item.provider, item.model) for item in book.prompt_models]
    asked = [pair for pair in listed if named(pair[1], models)] or listed
    said = workload.measured_with
    if said is None:
        return asked
    first = [pair for pair in listed if named(pair[1], (said,))]
    sold = None if first or hardware.architecture(said) else book.inference(said, on=book.as_of)
    if sold is not None:
        first = [(sold.provider, sold.model)]
    return list(dict.fromkeys((*first, *asked)))


def _hosted(
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    places: tuple[str, ...],
    models: tuple[str, ...],
    known: frozenset[str],
) -> Iterator[Prospect]:
    objective = Objective.DPO if profile.is_preference else Objective.SFT
    for place, worth in _offered(book, known):
        if places and place not in places:
            continue
        for model in [offer.model for offer in book.offers(place) if models and named(offer.model, models)] or worth:
            offer = book.offer(place, model)
            if offer is None or (models and not named(offer.model, models)):
                continue
            method = Method.LORA if Method.LORA in offer.methods else next(iter(offer.methods), None)
            arch = hardware.architecture(model) if offer.open_weights else None
            chosen = settings_for(place, method, objective, profile, hardware.lora_params(arch, 16) if arch else None)
            for serving, gpu in _servings(offer, workload, profile.per_example.p95):
                yield Prospect(
                    id=f"hosted:{place}/{model}" + ("" if serving == "tokens" else f":{serving}"),
                    candidate=Candidate(
                        Strategy.HOSTED,
                        place,
                        model,
                        method,
                        objective,
                        chosen,
                        prompted_as_trained=True,
                        serving=serving,
                        gpu=gpu,
                    ),
                    variant={"tokens": "answers by the token", "dedicated": "answers on a dedicated endpoint"}.get(
                        serving, f"its adapter answers on {whose(gpu, workload)} {gpu}"
                    ),
                    offer=offer,
                    arch=arch,
                    retires=offer.retires,
                    seller=place,
                    launchable=place in known,
                )


def _offered(book: PriceBook, known: frozenset[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each place with its models worth weighing: the catalogue's, then all that a plugin's prices name."""
    listed = catalogue().hosted
    yield from listed.items()
    for place in sorted(known - listed.keys()):
        if place in book.providers:
            yield place, [offer.model for offer in book.offers(place)]


def _servings(offer: TrainingOffer, workload: Workload, tokens: float) -> list[tuple[str, str | None]]:
    """Ways to answer with a model tuned there, and on which GPU."""
    if not offer.serving or "tokens" in offer.serving:
        return [("tokens", None)]
    ways: list[tuple[str, str | None]] = []
    shape = shape_of(offer.model, offer.params_b)
    if "self_hosted" in offer.serving and shape is not None:
        card = answering_card(shape, tokens, workload)
        ways += [("self_hosted", card)] if card else []
    if "dedicated" in offer.serving:
        ways.append(("dedicated", None))
    return ways


def _local(
    profile: Profile, workload: Workload, places: tuple[str, ...], models: tuple[str, ...]
) -> Iterator[Prospect]:
    """Open models on the user's GPUs and on rented ones; the first model in every method, the others in one.

    A model whose prompt was measured comes first, and is prompted whatever narrows what is tuned.
    """
    known = {item.model: item.why for item in catalogue().local}
    asked = [name for name in models if hardware.architecture(name) is not None]
    here = not places or "local" in places
    tuned = (asked if models else list(known)) if here else []
    said = workload.measured_with
    first = [said] if said and hardware.architecture(said) else []
    prompted = False
    for rank, model in enumerate(dict.fromkeys((*first, *tuned))):
        arch = hardware.architecture(model)
        if arch is None:
            continue
        why = known.get(model, "")
        trains = model in tuned or (here and not models)
        for gpu in dict.fromkeys(workload.gpus) if trains else ():
            for strategy in _LOCAL if not rank else (_roomiest(arch, gpu, profile),):
                yield _on_gpu(model, arch, gpu, strategy, profile, workload, why)
        fitting = (name for name in catalogue().rented if _fits(arch, Method.LORA, name, profile)[0] == "yes")
        rented = next(fitting, None)
        if trains and rented and rented not in workload.gpus and (rank < 2 or asked):
            yield _on_gpu(model, arch, rented, Strategy.LOCAL_LORA, profile, workload, why)
        card = next(iter(workload.gpus), rented)
        if card and not prompted and answers(arch, card, profile.per_example.p95, workload):
            prompted = True
            yield from _prompted_locally(model, arch, card, profile, workload)


def _prompted_locally(
    model: str, arch: Architecture, gpu: str, profile: Profile, workload: Workload
) -> Iterator[Prospect]:
    served = answers(arch, gpu, profile.per_example.p95, workload)
    where = f"on {whose(gpu, workload)} {gpu}{_in_four_bits(served)}"
    for recipe in recipes(profile, workload):
        if recipe.suffix in ("", ":retrieved"):
            candidate = Candidate(
                recipe.strategy,
                "local",
                model,
                shots=recipe.shots,
                varying_shots=recipe.varies,
                serving="self_hosted",
                gpu=gpu,
            )
            id = f"{recipe.strategy}:local/{model}{recipe.suffix}"
            yield Prospect(id, candidate, f"{recipe.text}, {where}", arch=arch, served=served)


def _on_gpu(
    model: str, arch: Architecture, gpu: str, strategy: Strategy, profile: Profile, workload: Workload, why: str
) -> Prospect:
    served = answers(arch, gpu, profile.per_example.p95, workload)
    method = strategy.method
    assert method is not None
    objective = Objective.DPO if profile.is_preference else Objective.SFT
    fits, advice = _fits(arch, method, gpu, profile)
    chosen = settings_for("local", method, objective, profile, hardware.lora_params(arch, 16))
    return Prospect(
        id=f"{strategy}:{model}@{gpu}",
        candidate=Candidate(
            strategy,
            "local",
            model,
            method,
            objective,
            chosen,
            prompted_as_trained=True,
            serving="self_hosted",
            gpu=gpu,
        ),
        variant=f"trained and answered on {whose(gpu, workload)} {gpu}{_in_four_bits(served)}",
        arch=arch,
        served=served,
        fits=fits,
        fit_advice=advice,
        why=why,
    )


def _in_four_bits(served: Serving | None) -> str:
    return ", in 4 bits" if served and served.precision == "int4" else ""


def _fits(arch: Architecture, method: Method, gpu: str, profile: Profile) -> tuple[str, str]:
    card = hardware.gpu(gpu)
    if card is None:
        return "no", f"{gpu} is not in the list of GPUs."
    length = max(128, -(-int(profile.per_example.p95) // 128) * 128)
    found = hardware.fit(arch, method, card, seq=length, micro_batch=None)
    return found.fits, found.advice


def answering_card(arch: Architecture, tokens: float, workload: Workload) -> str | None:
    """Return the user's own GPU that answers with the model, else the smallest rented one; None: no single one does."""
    cards = (*workload.gpus, *(catalogue().rented if workload.may_rent_gpus else ()))
    return next((name for name in cards if answers(arch, name, tokens, workload, most=1)), None)


def whose(gpu: str | None, workload: Workload) -> str:
    return "your" if gpu in workload.gpus else "a rented"


def answers(arch: Architecture, gpu: str, tokens: float, workload: Workload, *, most: int = 8) -> Serving | None:
    """Return how ``gpu`` answers with the model, on the user's cards or at ``most`` rented ones; None: it cannot."""
    card = hardware.gpu(gpu)
    served = hardware.placed(arch, card, tokens, owned=workload.gpus.count(gpu) or None) if card else None
    return served if served and (served.cards <= most or gpu in workload.gpus) else None


def _roomiest(arch: Architecture, gpu: str, profile: Profile) -> Strategy:
    """LoRA where it fits, else QLoRA: they learn equally well, so memory decides."""
    return Strategy.LOCAL_LORA if _fits(arch, Method.LORA, gpu, profile)[0] == "yes" else Strategy.LOCAL_QLORA


def _retrieval() -> Prospect:
    return Prospect("retrieval", Candidate(Strategy.RETRIEVAL, None, "", serving="none"), "facts looked up when asked")


def _classifier(profile: Profile, workload: Workload) -> Iterator[Prospect]:
    """Labelled data may need no language model at all."""
    if (workload.task or profile.task_type) is TaskType.CLASSIFICATION and profile.labels:
        candidate = Candidate(Strategy.CLASSIFIER, None, "plain classifier", serving="none")
        yield Prospect("classifier", candidate, "TF-IDF and a linear model, on any processor")
