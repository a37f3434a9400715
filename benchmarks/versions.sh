#!/usr/bin/env bash
# The tests that need no torch, on each Python we name, with the lowest and the newest dependencies our metadata allows.
#   bash benchmarks/versions.sh [3.11 3.12 3.13]
# Prints one JSON document. Needs the Pythons, and the package registry; RESOLUTIONS="lowest-direct" runs one half.
set -euo pipefail
cd "$(dirname "$0")/.."
read -ra pythons <<<"${*:-3.11 3.12 3.13}"
read -ra resolutions <<<"${RESOLUTIONS:-lowest-direct highest}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/tools"
"$scratch/tools/bin/python" -m pip install --quiet uv
uv="$scratch/tools/bin/uv"
# Whatever trains is left out by what its test names: the versions of torch and its kin are pinned together in [local].
trains='torch|transformers|peft|safetensors|tokenizers|test_local|test_export|"local"|tiny|gguf'
# The core is tried alone too: the packages of extras ask for newer versions of what it needs.
asks='emulator|hosted|backend_cases|mcp|sklearn|classifier|notify|openai|together|keyring|nebius|azure|replicate'
mapfile -t core < <(grep -LE "$trains|$asks" tests/test_*.py)
mapfile -t extra < <(grep -LE "$trains" tests/test_*.py | grep -vxFf <(printf '%s\n' "${core[@]}"))
rows=()
try() { # PYTHON RESOLUTION EXTRAS FILE...
  local place="$scratch/$1-$2-$3" code=0
  "$uv" venv --quiet --python "$1" "$place"
  "$uv" pip install --quiet --python "$place" --resolution "$2" --editable ".[$3]"
  "$uv" pip freeze --python "$place" >&2
  "$place/bin/python" -m pytest -q -n "${JOBS:-2}" --dist loadfile --tb=short -k "not local" "${@:4}" >"$place/said" 2>&1 || code=$?
  tail -40 "$place/said" >&2
  rows+=("{\"python\": \"$("$place/bin/python" -V | cut -d' ' -f2)\", \"resolution\": \"$2\", \"extras\": \"$3\", \"exit\": $code, \"said\": \"$(tail -1 "$place/said")\"}")
}
for python in "${pythons[@]}"; do
  for resolution in "${resolutions[@]}"; do
    try "$python" "$resolution" formats,test "${core[@]}"
    try "$python" "$resolution" formats,hosted,baseline,notify,mcp,test "${extra[@]}"
  done
done
printf '{"files": %d, "rows": [\n%s\n]}\n' $((${#core[@]} + ${#extra[@]})) "$(IFS=,; echo "${rows[*]}" | sed 's/},{/},\n{/g')"
[[ "${rows[*]}" != *'"exit": '[^0]* ]]
