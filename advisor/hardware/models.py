"""What shape a model has: a catalogue of known ones, and any other from its config.json."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from math import log
from pathlib import Path
from typing import Literal

from advisor.errors import WorkloadError
from advisor.hardware.parameters import counted, is_summed
from backends.local.options import TINY
from backends.local.pretrained import located
from backends.local.training_memory import FFN, HEADS, HIDDEN, Layer, experts_of, layer_of, number

Mlp = Literal["gated", "2-matmul"]

# Parts of a model's name that say how it was tuned or packed, not what shape it has.
_NOT_SHAPE = frozenset(
    ["meta", "instruct", "it", "pt", "chat", "base", "hf", "reference", "turbo", "unsloth", "bnb", "4bit", "fp8"]
)
_SUMMED = "its parameters are our own sum, which can be off for this kind: 'tunewise[local]' counts them exactly"
_TIED_BY_DEFAULT = ("gemma", "falcon", "mpt", "gpt2", "lfm2")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A decoder-only transformer as the memory and time sums need it.

    Sizes are in elements: ``ffn`` is the dense MLP's inner width, ``moe_ffn`` that of one expert. ``norms`` are
    those of one layer's inputs and outputs; ``hybrid``: most layers are not attention; ``fp32``: its weights are
    published so. ``params`` counts every parameter, ``active_params`` those that work on one token. ``context`` is in
    tokens. ``licence`` is what the source says; where ``licence_verified`` is false it is common knowledge that was not
    read in the licence itself.
    """

    model: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    tied: bool
    mlp: Mlp = "gated"
    experts: int = 0
    experts_per_token: int = 0
    moe_ffn: int = 0
    qkv_bias: bool = False
    qk_norm: bool = False
    norms: int = 2
    hybrid: bool = False
    fp32: bool = False
    params: int = 0
    active_params: int = 0
    context: int | None = None
    licence: str | None = None
    licence_verified: bool = False
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not self.params:
            object.__setattr__(self, "params", self._counted + self.embedding_params + self._norm_params)
        if not self.active_params:
            object.__setattr__(self, "active_params", self.params - self.idle_params)

    @property
    def idle_params(self) -> int:
        """Parameters of the experts that one token does not visit."""
        return (self.experts - self.experts_per_token) * self._expert_params * self.layers if self.experts else 0

    @property
    def query_width(self) -> int:
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def layer(self) -> Layer:
        """One layer as our trainer's memory sums see it."""
        return Layer(
            hidden=self.hidden,
            query=self.query_width,
            kv=self.kv_width,
            ffn=self.active_ffn,
            gated=self.mlp == "gated",
            norms=self.norms,
            head_norms=self.qk_norm,
            experts=self.experts_per_token if self.experts else 0,
            stacked=self.experts * self._expert_params,
            hybrid=self.hybrid,
        )

    @property
    def attention_params(self) -> int:
        """Parameters of one layer's q, k, v and o projections, without biases."""
        return 2 * self.hidden * (self.query_width + self.kv_width)

    @property
    def mlp_params(self) -> int:
        """Parameters of one layer's MLP or experts, router included, without biases."""
        if self.experts:
            return self.experts * self._expert_params + self.hidden * self.experts
        return self._matmuls * self.hidden * self.ffn

    @property
    def linear_params(self) -> int:
        """Parameters of all decoder linears: what a 4-bit base holds in 4 bits."""
        return self.params - self.embedding_params - self._norm_params

    @property
    def embedding_params(self) -> int:
        """Parameters of the token embedding and of the output head where it is a matrix of its own."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def active_linear_params(self) -> int:
        """Linear parameters that multiply one token, the output head included, the embedding look-up not."""
        mlp = self.mlp_params
        if self.experts:
            mlp = self.experts_per_token * self._expert_params + self.hidden * self.experts
        uncounted = self.linear_params - self._counted
        return self.layers * (self.attention_params + mlp) + uncounted + self.vocab * self.hidden

    @property
    def expert_params(self) -> int:
        """Parameters of the experts of all layers; 0 for a dense model."""
        return self.layers * self.experts * self._expert_params

    @property
    def active_ffn(self) -> int:
        """Inner MLP width that one token passes through."""
        return self.experts_per_token * self.moe_ffn if self.experts else self.ffn

    @property
    def _counted(self) -> int:
        return self.layers * (self.attention_params + self.mlp_params)

    @property
    def _matmuls(self) -> int:
        return 3 if self.mlp == "gated" else 2

    @property
    def _expert_params(self) -> int:
        return self._matmuls * self.hidden * self.moe_ffn

    @property
    def _norm_params(self) -> int:
        return self.hidden * (self.norms * self.layers + 1)


def architecture(model: str) -> Architecture | None:
    """Return the shape of ``model``: a catalogued id (or a tuned sibling of one), a folder or a config.json.

    None when the id is not in the catalogue. Raises WorkloadError when a local config cannot be understood.
    """
    where = located(model)
    path = Path(where).expanduser()
    if path.is_dir() and (path / "config.json").is_file():
        return from_config(path / "config.json", model)
    if path.suffix == ".json" and path.is_file():
        return from_config(path, model)
    return catalogue().get(_key(where))


@cache
def catalogue() -> dict[str, Architecture]:
    """Return the catalogue by the shape part of the name."""
    text = resources.files("advisor.hardware").joinpath("models.csv").read_text(encoding="utf-8")
    rows = [_from_row(row) for row in csv.DictReader(text.splitlines())]
    return {_key(row.model): row for row in rows}


def like(params: float, model: str) -> Architecture:
    """Return the shape of the catalogued dense model nearest to ``params`` in size, scaled to it, named ``model``."""
    dense = [arch for arch in catalogue().values() if arch.mlp == "gated" and not arch.experts]
    near = min(dense, key=lambda arch: abs(log(arch.params / params)))
    layers = max(1, round((params - near.embedding_params) * near.layers / (near.params - near.embedding_params)))
    note = f"only its size is known: the shape of {near.model} with {layers} layers"
    return replace(near, model=model, layers=layers, params=round(params), active_params=0, licence=None, note=note)


def from_config(path: Path, model: str | None = None) -> Architecture:
    """Read a transformers config.json. Raises WorkloadError naming the file, the missing field and the remedy."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise WorkloadError(f"{path}: cannot be read as a model configuration ({error}).") from error
    if not isinstance(content, dict):
        raise WorkloadError(f"{path}: a model configuration is a JSON object; this is a {type(content).__name__}.")
    found = from_mapping(content, model or str(path.parent), str(path))
    exact = counted(content)
    if exact is not None:
        return replace(found, params=exact, active_params=exact - found.idle_params)
    return found if is_summed(content) else replace(found, note="; ".join(filter(None, (found.note, _SUMMED))))


def from_mapping(content: dict[str, object], model: str, where: str) -> Architecture:
    """Build the shape from transformers' configuration keys; ``where`` names their origin in errors."""
    inner = content.get("text_config")
    config = {**content, **inner} if isinstance(inner, dict) else content
    kind = str(config.get("model_type", "")).lower()
    try:
        layer = layer_of(config)
        hidden, heads = number(config, *HIDDEN), number(config, *HEADS)
        ffn = number(config, *FFN, default=4 * hidden)
        experts, per_token, moe_ffn = experts_of(config)
        return Architecture(
            model=model,
            hidden=hidden,
            layers=number(config, "num_hidden_layers", "n_layer", "n_layers"),
            heads=heads,
            kv_heads=number(config, "num_key_value_heads", default=heads),
            head_dim=number(config, "head_dim", default=hidden // heads),
            ffn=ffn,
            vocab=number(config, "vocab_size"),
            tied=bool(config.get("tie_word_embeddings", kind.startswith(_TIED_BY_DEFAULT))),
            mlp="gated" if layer.gated else "2-matmul",
            experts=experts,
            experts_per_token=per_token,
            moe_ffn=moe_ffn,
            qkv_bias=bool(config.get("attention_bias", kind.startswith("qwen2"))),
            qk_norm=layer.head_norms,
            norms=layer.norms,
            context=number(config, "max_position_embeddings", "n_positions", default=0) or None,
            hybrid=layer.hybrid,
            fp32="float32" in (content.get("dtype"), content.get("torch_dtype")),
            source=where,
            note="not all layers are attention: the estimate is rough, --exact measures it" if layer.hybrid else "",
        )
    except KeyError as error:
        raise WorkloadError(
            f"{where}: {error} is missing, so memory cannot be estimated; add it to the file."
        ) from error


def _key(model: str) -> str:
    name = model.strip().rstrip("/").rsplit("/", 1)[-1].lower()
    name = re.sub(r"(?<=\d)_(?=\d)", ".", name)
    return "-".join(part for part in re.split(r"[-_ ]+", name) if part and part not in _NOT_SHAPE)


def _from_row(row: dict[str, str]) -> Architecture:
    return Architecture(
        model=row["model"],
        hidden=int(row["hidden"]),
        layers=int(row["layers"]),
        heads=int(row["heads"]),
        kv_heads=int(row["kv_heads"]),
        head_dim=int(row["head_dim"]),
        ffn=int(row["ffn"]),
        vocab=int(row["vocab"]),
        tied=row["tied"] == "1",
        mlp="2-matmul" if row["mlp"] == "2-matmul" else "gated",
        experts=int(row["n_experts"] or 0),
        experts_per_token=int(row["experts_per_tok"] or 0),
        moe_ffn=int(row["moe_ffn"] or 0),
        qkv_bias=row["qkv_bias"] == "1",
        qk_norm=row["qk_norm"] == "1",
        norms=int(row["norms"]),
        hybrid=row["hybrid"] == "1",
        fp32=row["model"] in TINY,
        params=int(row["params"]),
        active_params=int(row["active_params"]),
        context=int(row["context"]) if row["context"] else None,
        licence=row["licence"] or None,
        licence_verified=row["licence_verified"] == "yes",
        source=row["source"],
        note=row["note"],
    )
