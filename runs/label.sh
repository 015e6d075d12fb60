#!/usr/bin/env bash
# The label job with the truth at hand: results/label.md and label.json. Goes on where it was stopped.
# Texts: runs/label.sh --texts features/test   (sibyl embed clinc150 --split test --encoder sentence-transformers:all-MiniLM-L6-v2 --out features/test)
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec "${PYTHON:-python}" runs/label.py "$@"
