#!/usr/bin/env bash
# Whole piles: fits the blend to piles of training and validation classes, ships it, and measures on test classes (results/piles.md).
# An hour on two cores; killed and started again, it goes on.
#
#   CIFAR_FS=data/cifar_fs OMNIGLOT=data/omniglot SQUEEZENET=squeezenet1_1_features.onnx CLINC150=features/clinc150 PHOTOS=features/photos runs/piles.sh
#
# CLINC150, PHOTOS   folders with train/, validation/ and test/; with test/ (sibyl embed)
# SHIP               1: fit the blend and put it into the package first; without it, measure what is there
set -euo pipefail
cd "$(dirname "$0")/.."
WORK="${WORK:-runs/piles-work}" PYTHON="${PYTHON:-python}"
"$PYTHON" runs/piles_features.py --out "$WORK/features" --cifar-fs "${CIFAR_FS:?}" --omniglot "${OMNIGLOT:?}" --squeezenet "${SQUEEZENET:?}"
[ -e "$WORK/features/clinc150" ] || ln -s "$(realpath "${CLINC150:?}")" "$WORK/features/clinc150"
[ -z "${SHIP:-}" ] || "$PYTHON" runs/piles_gate.py --features "$WORK/features" --work "$WORK/answers" --ship
"$PYTHON" runs/piles.py "cifar-fs-squeezenet=$WORK/features/cifar-squeezenet/test" "cifar-fs-conv4=$WORK/features/cifar-conv4/test" \
  "clinc150-minilm=$WORK/features/clinc150/test" "photos-squeezenet=${PHOTOS:?}/test" "omniglot-pixels=$WORK/features/omniglot-pixels/test" \
  --items 2500
