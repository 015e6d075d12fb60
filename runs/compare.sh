#!/usr/bin/env bash
# The standing table: every method on shared frozen features, on the same episodes. Writes results/compare.md, .tex, .json and pictures.
#
#   CIFAR_FS=features/cifar-fs OMNIGLOT=features/omniglot CLINC150=features/clinc150 PHOTOS=features/photos runs/compare.sh
#
# Each variable names a folder with the features of the test classes in test/ and, for the methods that must be meta-trained, of other
# classes in train/ and validation/ (made by sibyl embed, or by any encoder through sibyl.Features.save):
#   CIFAR_FS   Conv-4-64 pre-trained on CIFAR-FS:   sibyl pretrain cifar-fs --out runs/conv4
#                                                   sibyl embed cifar-fs --split test --encoder runs/conv4/backbone.safetensors --out ...
#   OMNIGLOT   Conv-4-64 pre-trained on Omniglot:   sibyl pretrain omniglot --recipe drawings --precision float32 --epochs 15 --out ...
#   CLINC150   MiniLM sentence features of the intents
#   PHOTOS     SqueezeNet features of the photographs; train/ and validation/ hold other photographs
# A variable that is not set leaves its features out; the table says so. The run can be stopped at any time: started again, it goes on.
#
# ITERATIONS, RATES   meta-training of the learned methods (2000; 0.001,0.01: the better on validation classes is kept)
# MOST_WAYS           learned methods are meta-trained for at most so many classes (1000)
# PROTOCOLS           standing, or also mixes (its heart),shots,skew,unlabelled (each a table and pictures of its own)
# METHODS             all, or names with commas between;  EPISODES  at most so many in a cell, and in proportion where the protocol has fewer
# ALPHA_AM            at most so many for alpha_am, whose thousand steps take a second and more an episode
# OUT, CACHE, DEVICE  results;  Sibyl's cache folder;  cpu
set -euo pipefail
cd "$(dirname "$0")/.."
features=()
[[ -n "${CIFAR_FS:-}" ]] && features+=("cifar-fs-conv4-64=$CIFAR_FS")
[[ -n "${OMNIGLOT:-}" ]] && features+=("omniglot-conv4-64=$OMNIGLOT")
[[ -n "${CLINC150:-}" ]] && features+=("clinc150-minilm=$CLINC150")
[[ -n "${PHOTOS:-}" ]] && features+=("photos-squeezenet=$PHOTOS")
if [[ ${#features[@]} -eq 0 ]]; then
  echo "compare.sh: set CIFAR_FS, OMNIGLOT, CLINC150 or PHOTOS to a folder of features (see the head of this file)" >&2
  exit 2
fi
exec "${PYTHON:-python}" runs/compare.py "${features[@]}" \
  --protocols "${PROTOCOLS:-standing}" --methods "${METHODS:-all}" --iterations "${ITERATIONS:-2000}" --rates "${RATES:-0.001,0.01}" \
  --most-ways "${MOST_WAYS:-1000}" \
  --device "${DEVICE:-cpu}" --out "${OUT:-results}" ${CACHE:+--cache "$CACHE"} ${EPISODES:+--episodes "$EPISODES"} \
  ${ALPHA_AM:+--slow "alpha_am=$ALPHA_AM"}
