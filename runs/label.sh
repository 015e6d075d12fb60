#!/usr/bin/env bash
# The label job with the truth at hand: results/label.md and label.json. Goes on where it was stopped.
# Texts:  sibyl embed clinc150 --root DIR --split test --encoder minilm-int8 --out features/clinc150/test   (DIR: CLINC150's files)
#         runs/label.sh --texts features/clinc150/test
# With --ship the figures on calibration go into the package, where reports cite them.
# The page alone, from label.json:  runs/label.sh --page-only
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec "${PYTHON:-python}" runs/label.py "$@"
