#!/usr/bin/env bash
# SIBClassifier beside scikit-learn's classifiers, one label per class. Writes results/estimator.md and .json.
#
#   CLINC150=features/clinc150/test PHOTOS=features/photos/test runs/estimator.sh
#
# CLINC150   folder of features of its test intents (MiniLM sentence features, written by sibyl embed or sibyl.Features.save)
# PHOTOS     folder of SqueezeNet features of the photographs:  sibyl embed PHOTOGRAPHS --encoder squeezenet1_1_features.onnx --out ...
# What is not set is left out, and the table says so. Digits and tables come with scikit-learn. What results/estimator.json holds is not
# measured again (ANEW=1 forgets it); the page alone is written by runs/estimator_page.py.
#
# DRAWS, OUT   draws of the labelled rows (20);  results
set -euo pipefail
cd "$(dirname "$0")/.."
features=()
[[ -n "${CLINC150:-}" ]] && features+=("CLINC150 sentences=$CLINC150")
[[ -n "${PHOTOS:-}" ]] && features+=("photographs=$PHOTOS")
exec "${PYTHON:-python}" runs/estimator.py ${features[@]+"${features[@]}"} --draws "${DRAWS:-20}" --out "${OUT:-results}" ${ANEW:+--anew}
