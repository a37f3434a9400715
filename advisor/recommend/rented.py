"""Which open models to train on the machines that a provider rents out by the minute."""

from __future__ import annotations

from collections.abc import Iterator

import backends
from advisor import hardware
from advisor.estimate import Candidate, Strategy
from advisor.evidence import catalogue
from advisor.pricing import PriceBook
from advisor.recommend.candidates import answering_card, answers, whose
from advisor.recommend.hyperparameters import settings_for
from advisor.recommend.prospect import Prospect
from advisor.tokens import Profile
from advisor.workload import Workload
from backends import Method, Objective

_SHOWN = 2  # models, where none is named


def on_rented_machines(
    profile: Profile, workload: Workload, book: PriceBook, places: tuple[str, ...], models: tuple[str, ...]
) -> Iterator[Prospect]:
    """Yield LoRA of each model on the cheapest machine that holds it, at each of ``places`` (empty: all) with machines.

    It answers on the user's GPU or one rented anywhere. The launch chooses the machine again, by a whole run's price.
    """
    known = frozenset(backends.names())
    objective = Objective.DPO if profile.is_preference else Objective.SFT
    length = max(128, -(-int(profile.per_example.p95) // 128) * 128)
    for place, provider in book.providers.items():
        if not provider.machines or (places and place not in places):
            continue
        sold = sorted(provider.machines.values(), key=lambda one: one.usd_per_hour)
        for model in models or [item.model for item in catalogue().local][:_SHOWN]:
            arch = hardware.architecture(model)
            if arch is None:
                continue
            for machine in (one for one in sold if one.gpus == 1):
                card = hardware.gpu(machine.gpu)
                if card and hardware.fit(arch, Method.LORA, card, seq=length, micro_batch=None).fits == "yes":
                    break
            else:
                continue
            answers_on = answering_card(arch, profile.per_example.p95, workload) or machine.gpu
            chosen = settings_for(place, Method.LORA, objective, profile, hardware.lora_params(arch, 16))
            yield Prospect(
                id=f"{Strategy.LOCAL_LORA}:{model}@{place}",
                candidate=Candidate(
                    Strategy.LOCAL_LORA,
                    place,
                    model,
                    Method.LORA,
                    objective,
                    chosen,
                    prompted_as_trained=True,
                    serving="self_hosted",
                    gpu=answers_on,
                    trained_on=machine.gpu,
                ),
                variant=f"trained at {provider.name} on a rented {machine.gpu}, its adapter answers on "
                f"{whose(answers_on, workload)} {answers_on}",
                arch=arch,
                served=answers(arch, answers_on, profile.per_example.p95, workload),
                fits="yes",
                seller=place,
                launchable=place in known,
            )
