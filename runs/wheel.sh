#!/usr/bin/env bash
# The wheel as a stranger gets it: built from the checkout, installed by pip with all it needs into a new, empty virtual environment, and
# set to read digits from one label each, away from the checkout. Fails unless the figures are those of docs/figures.md; writes results/wheel.json.
# Before every release. Needs the package index (torch alone is some 200 MB); PYTHON: what makes the environment; OUT: the record.
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD
out=$(realpath -m "${OUT:-results/wheel.json}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
unset PYTHONPATH

"${PYTHON:-python3}" -m venv "$work/builder"
"$work/builder/bin/python" -m pip wheel --quiet --no-deps --wheel-dir "$work" .
"${PYTHON:-python3}" -m venv "$work/empty"
"$work/empty/bin/python" -m pip install --quiet --constraint constraints.txt "$work"/sibyl_learn-*.whl
"$work/empty/bin/python" -m pip check

cd "$work"
sed -n '/^```python$/,/^```$/{/^```/!p;/^```$/q}' "$checkout/README.md" > three_lines.py
"$work/empty/bin/python" -I three_lines.py
"$work/empty/bin/sibyl" demo --out "$work/demo" --json > "$work/demo.log"
"$work/empty/bin/python" -I "$checkout/runs/wheel_digits.py" \
  --within "$work/empty" --figures "$checkout/docs/figures.md" --demo "$work/demo/summary.json" --out "$out"
