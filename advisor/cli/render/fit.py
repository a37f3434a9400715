"""How a fit looks: one row a GPU within 80 columns, the advice below, and the --json list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from textwrap import fill

from advisor.cli import render
from advisor.hardware import Architecture, Band, Fit, Gpu
from advisor.hardware.training_stacks import TUNEWISE
from advisor.pricing import GpuRent
from backends import Method

_TABLE, _WIDEST = 74, 100  # columns: what the table needs, and what a line of text is still read well at


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


def show(arch: Architecture, method: Method, seq: int, rank: int, answers: Sequence[Answer], *, exact: bool) -> None:
    """Print the table and, per GPU, what the peak is and what lowers it; a narrow screen gets a paragraph a GPU."""
    width = min(render.console().width, _WIDEST)
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
    if width < _TABLE:
        for answer in answers:
            _paragraph(f"{answer.fit.gpu}: {_told(answer, timed=timed)} {answer.fit.advice}", width)
    else:
        last = f"{'minutes':<11}USD" if timed else "USD/hour"
        render.out(f"{'GPU':<14}{'fits':<6}{'peak GB':<17}{'batch':<7}{'tokens/s':<10}{last}")
        for answer in answers:
            render.out(_row(answer, timed=timed).rstrip())
        render.out()
        for answer in answers:
            _paragraph(f"{answer.fit.gpu}: {answer.fit.advice}", width)
    _paragraph(_footing(answers), width)


def _paragraph(text: str, width: int) -> None:
    render.out(fill(text, width, subsequent_indent="  ", break_on_hyphens=False))


def _told(answer: Answer, *, timed: bool) -> str:
    """Return a row of the table as a sentence."""
    memory, batch, speed, tail = _cells(answer, timed=timed)
    said = f"{answer.fit.fits}, peak {memory} GB, batch {batch}"
    if answer.fit.fits == "no":
        return f"{said}."
    units = (" minutes", "") if timed else (" USD/hour",)
    known = [f", {cell}{unit}" for cell, unit in zip(tail, units, strict=True) if cell != "-"]
    return f"{said}, {speed} tokens/s{''.join(known)}."


def _row(answer: Answer, *, timed: bool) -> str:
    memory, batch, speed, tail = _cells(answer, timed=timed)
    last = "".join(f"{cell:<11}" for cell in tail)
    return f"{answer.fit.gpu[:13]:<14}{answer.fit.fits:<6}{memory:<17}{batch:<7}{speed:<10}{last}"


def _cells(answer: Answer, *, timed: bool) -> tuple[str, str, str, tuple[str, ...]]:
    """Return memory, batch and speed, and either minutes and dollars or dollars an hour."""
    fit = answer.fit
    memory = f"{_gb(fit.peak_gb)} ({_gb(fit.peak_low_gb)}-{_gb(fit.peak_high_gb)})"
    batch = f"{fit.micro_batch}{' ckpt' if fit.checkpointing else ''}"
    if fit.fits == "no":
        return memory, batch, "-", ("-",)
    speed = f"{_short(fit.tokens_per_s.low)}-{_short(fit.tokens_per_s.high)}" if fit.tokens_per_s else "unknown"
    if not timed:
        return memory, batch, speed, (f"{answer.rent.low:.2f}-{answer.rent.high:.2f}" if answer.rent else "-",)
    minutes, usd = answer.minutes, answer.usd
    money = f"{render.usd(usd['low'])}-{render.usd(usd['high'])[1:]}" if usd else "unknown" if answer.rent else "-"
    return memory, batch, speed, (f"{_short(minutes.low)}-{_short(minutes.high)}" if minutes else "unknown", money)


def _footing(answers: Sequence[Answer]) -> str:
    margin = round(100 * (TUNEWISE.margin - 1))
    counted = (
        f"A peak holds the process beside torch (0.4 to 0.5 GB); yes leaves {margin} % more for the estimate's error."
    )
    if all(answer.fit.calibrated for answer in answers):
        return f"{counted} Time and memory are corrected by what runs on this machine measured."
    unmeasured = (
        "Our own trainer was not measured on a GPU yet: for programs like that, 2.6 % of the answers near a card's "
        "limit were a wrong yes."
    )
    ranges = "Ranges: memory as 95 % of published runs came out, speed by kind of GPU; a run of yours narrows both."
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
