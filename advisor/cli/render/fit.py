"""How a fit looks: one row a GPU within 80 columns, the verdict last, and the --json list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from textwrap import fill

from advisor.cli import render
from advisor.cli.render.screen import page_width
from advisor.hardware import Architecture, Band, Fit, Gpu
from advisor.hardware.training_stacks import TUNEWISE
from advisor.pricing import GpuRent
from backends import Method

_TABLE = 74  # columns that the table needs


@dataclass(frozen=True, slots=True)
class Answer:
    """One GPU's fit, the tokens to train on (None: not said), and what renting it costs (None: not rented)."""

    fit: Fit
    card: Gpu
    tokens: int | None
    rent: GpuRent | None

    @property
    def minutes(self) -> Band | None:
        speed = self.fit.tokens_per_s
        if self.tokens is None or speed is None or self.fit.fits == "no":
            return None
        return Band(*(self.tokens / rate / 60 for rate in (speed.high, speed.mid, speed.low)))

    @property
    def usd(self) -> dict[str, Decimal] | None:
        """The rent for the time it takes: the shortest at the cheapest offer to the longest at the dearest."""
        minutes = self.minutes
        if minutes is None or self.rent is None:
            return None
        prices = (self.rent.low, self.rent.typical, self.rent.high)
        names = ("low", "mid", "high")
        return {
            name: (Decimal(str(round(part / 60, 6))) * price).quantize(Decimal("0.000001"))
            for name, part, price in zip(names, minutes, prices, strict=True)
        }


def document(answer: Answer) -> dict[str, object]:
    """Return the contract's keys for one GPU, and what stands behind them."""
    fit, rent = answer.fit, answer.rent
    return {
        "gpu": fit.gpu,
        "fits": fit.fits,
        "peak_gb": round(fit.peak_gb, 3),
        "peak_low_gb": round(fit.peak_low_gb, 3),
        "peak_high_gb": round(fit.peak_high_gb, 3),
        "peak_term": fit.peak_term,
        "breakdown": {name: round(value, 3) for name, value in fit.breakdown.items()},
        "tokens_per_s": _spread(fit.tokens_per_s),
        "minutes": _spread(answer.minutes),
        "usd": answer.usd,
        "micro_batch": fit.micro_batch,
        "advice": fit.advice,
        "memory_gb": answer.card.memory_gb,
        "checkpointing": fit.checkpointing,
        "calibrated": fit.calibrated,
        "tokens": answer.tokens,
        "usd_per_hour": {"low": rent.low, "typical": rent.typical, "high": rent.high} if rent else None,
        "rent_source": rent.source if rent else None,
        "rent_checked": rent.cited.checked if rent else None,
    }


def show(
    arch: Architecture,
    method: Method,
    seq: int,
    rank: int,
    answers: Sequence[Answer],
    *,
    exact: bool,
    everything: bool = False,
) -> None:
    """Print the table, what to change where a GPU is too small, and the verdict.

    ``everything``: what the peak is on every GPU, and what the ranges rest on.
    """
    width = page_width()
    adapter = "" if method is Method.FULL else f", rank {rank}"
    _paragraph(f"{arch.model}: {_size(arch.params)} parameters, {method}{adapter}, sequences of {seq:,} tokens", width)
    beyond = f"the model's context is {arch.context:,} tokens" if arch.context and seq > arch.context else ""
    mixture = method is Method.QLORA and arch.experts
    wide = "its experts stay in 16 bits: 4 bits are for linear layers" if mixture else ""
    for note in (arch.note, beyond, wide, "activations measured on the real model" if exact else ""):
        if note:
            _paragraph(f"({note})", width)
    timed = any(answer.tokens for answer in answers)
    render.out()
    for line in _table(answers, width, timed=timed):
        render.out(line)
    render.out()
    for answer in answers:
        if everything or answer.fit.fits != "yes" or len(answers) == 1:
            _paragraph(f"{answer.fit.gpu}: {answer.fit.advice}", width)
    _paragraph(_footing(answers) if everything else _caution(answers), width)
    _paragraph(_verdict(answers), width)


def _verdict(answers: Sequence[Answer]) -> str:
    """Say where it fits, and where it is cheapest or fastest."""
    fitting = [answer for answer in answers if answer.fit.fits != "no"]
    if not fitting:
        names = answers[0].fit.gpu if len(answers) == 1 else f"any of the {len(answers)} GPUs"
        return f"Verdict: does not fit on {names}."
    some = f"{len(fitting)} of" if len(fitting) < len(answers) else "all"
    where = fitting[0].fit.gpu if len(answers) == 1 else f"{some} {len(answers)} GPUs"
    sure = [answer for answer in fitting if answer.fit.fits == "yes"]
    said = f"Verdict: fits on {where}" + ("" if sure else ", tightly")
    priced = [(answer.usd["mid"], answer) for answer in fitting if answer.usd]
    rented = [(answer.rent.typical, answer) for answer in fitting if answer.rent]
    if len(fitting) > 1 and priced:
        usd, best = min(priced, key=lambda pair: pair[0])
        return f"{said}; cheapest: {best.fit.gpu}, about {render.usd(usd)}."
    if len(fitting) > 1 and rented:
        usd, best = min(rented, key=lambda pair: pair[0])
        return f"{said}; cheapest to rent: {best.fit.gpu}, about {render.usd(usd)} an hour."
    return f"{said}."


def _paragraph(text: str, width: int) -> None:
    render.out(fill(text, width, subsequent_indent="  ", break_on_hyphens=False))


def _table(answers: Sequence[Answer], width: int, *, timed: bool) -> list[str]:
    """Return a heading and a row a GPU; on a narrow screen without the peak's range, and times without the speed."""
    wide = width >= _TABLE
    names = ["GPU", "fits", "peak GB", "batch", "tokens/s", *(("minutes", "USD") if timed else ("USD/hour",))]
    widths = [14, 6, 17 if wide else 9, 7, 10, 11, 11]
    kept = [place for place in range(len(names)) if wide or not timed or place != 4]

    def row(cells: Sequence[str]) -> str:
        return "".join(f"{cells[place]:<{widths[place]}}" for place in kept if place < len(cells)).rstrip()

    return [row(names), *(row(_cells(answer, wide=wide, timed=timed)) for answer in answers)]


def _cells(answer: Answer, *, wide: bool, timed: bool) -> list[str]:
    """Return the cells of a GPU: memory, batch, speed, and either minutes and dollars or dollars an hour."""
    fit = answer.fit
    spread = f" ({_gb(fit.peak_low_gb)}-{_gb(fit.peak_high_gb)})" if wide else ""
    batch = f"{fit.micro_batch}{' ckpt' if fit.checkpointing else ''}"
    cells = [fit.gpu[:13], fit.fits, f"{_gb(fit.peak_gb)}{spread}", batch]
    if fit.fits == "no":
        return [*cells, "-", "-"]
    speed = f"{_short(fit.tokens_per_s.low)}-{_short(fit.tokens_per_s.high)}" if fit.tokens_per_s else "unknown"
    if not timed:
        return [*cells, speed, f"{answer.rent.low:.2f}-{answer.rent.high:.2f}" if answer.rent else "-"]
    minutes, usd = answer.minutes, answer.usd
    money = f"{render.usd(usd['low'])}-{render.usd(usd['high'])[1:]}" if usd else "unknown" if answer.rent else "-"
    return [*cells, speed, f"{_short(minutes.low)}-{_short(minutes.high)}" if minutes else "unknown", money]


def _caution(answers: Sequence[Answer]) -> str:
    recomputed = "ckpt: with --checkpointing. " if any(answer.fit.checkpointing for answer in answers) else ""
    if all(answer.fit.calibrated for answer in answers):
        return f"{recomputed}Time and memory are corrected by what runs on this machine measured. More: --all"
    return f"{recomputed}Estimated from published runs; --calibrate measures this machine. More: --all"


def _footing(answers: Sequence[Answer]) -> str:
    margin = round(100 * (TUNEWISE.margin - 1))
    counted = (
        "A peak includes what the process holds beside torch (0.4 to 0.5 GB). 'yes' leaves "
        f"{margin}% more for the error of the estimate."
    )
    if all(answer.fit.calibrated for answer in answers):
        return f"{counted} Time and memory are corrected by what runs on this machine measured."
    unmeasured = (
        "Our own trainer was not measured on a GPU yet; of comparable programs, 2.6% of the answers near a card's "
        "limit were a wrong yes."
    )
    ranges = "The ranges: for memory 95% of published runs, for speed the kind of GPU. A run of yours narrows both."
    return f"{counted} {unmeasured} {ranges}"


def _size(params: int) -> str:
    return f"{params / 1e9:.2f}B" if params >= 1e9 else f"{params / 1e6:.1f}M"


def _gb(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _short(value: float) -> str:
    if value < 0.1:
        return "<0.1"
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    if value >= 1000:
        return f"{value / 1000:.1f}k"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _spread(band: Band | None) -> dict[str, float] | None:
    if band is None:
        return None
    return {"low": round(band.low, 3), "mid": round(band.mid, 3), "high": round(band.high, 3)}
