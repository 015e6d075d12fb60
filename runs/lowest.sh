#!/usr/bin/env bash
# Do the lowest versions that pyproject.toml allows still work? They are installed into an empty environment, and the tests run there once.
#   runs/lowest.sh [FOLDER] [TESTS …]
# torch and torchvision come as constraints.txt has them where LOWEST_TORCH is empty.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/lowest}
shift || true
python=${PYTHON:-python3.11}
rm -rf "$folder"
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet uv
keep=()
[ -n "${LOWEST_TORCH:-}" ] || keep=(--constraint constraints.txt)
export UV_FIND_LINKS=${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}
"$folder/bin/uv" pip install --quiet --python "$folder/bin/python" --resolution lowest-direct "${keep[@]}" '.[audio,encoders,fast,onnx,review]'
# The tools of the tests may be new: only what a user installs is put to the test.
"$folder/bin/uv" pip freeze --python "$folder/bin/python" > "$folder/lowest.txt"
"$folder/bin/uv" pip install --quiet --python "$folder/bin/python" --constraint "$folder/lowest.txt" \
  beartype hatchling hypothesis playwright polars pytest pytest-xdist
OMP_NUM_THREADS=1 "$folder/bin/python" -m pytest -p no:cacheprovider --numprocesses 2 "${@:-tests}"
