#!/usr/bin/env bash
# Universal SIB against every method without parameters of its own, on test classes. Writes results/universal.json,
# and from it alone universal.md and the pictures (again at any time: python runs/universal_page.py results/universal.json).
#
#   CIFAR_FS=features/cifar-fs OMNIGLOT=features/omniglot CLINC150=features/clinc150 PHOTOS=features/photos runs/universal_eval.sh
#
# The folders are those of compare.sh (test/ each, and validation/ for the temperatures of the inductive methods); digits come along.
# WITHOUT    parts to leave out: ways,counts
# SLOW       fewer episodes of slow methods, 0 to leave one out ("ilpc=100 alpha_am=0"); all meet all without it
# EPISODES   at most so many in a cell (1000);  OUT, CACHE   results; Sibyl's cache folder. Started again, it goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-python}" runs/universal_eval.py \
  "cifar-fs-conv4-64=${CIFAR_FS:?}" "omniglot-conv4-64=${OMNIGLOT:?}" "clinc150-minilm=${CLINC150:?}" "photos-squeezenet=${PHOTOS:?}" \
  --episodes "${EPISODES:-1000}" ${SLOW:+$(printf -- '--slow %s ' $SLOW)} ${WITHOUT:+--without "$WITHOUT"} --out "${OUT:-results}" ${CACHE:+--cache "$CACHE"}
