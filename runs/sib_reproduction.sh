#!/usr/bin/env bash
# From images to the table of one backbone on one data set: pre-train, embed, meta-train three seeds, test once.
#
#   runs/sib_reproduction.sh DATASET BACKBONE RECIPE SIZE VIEWS NAME PAPER_ROW
#
# Needs sibyl in the active environment.
# ROOT    where the data set's files lie (default: the cache; the message says what to put where)
# SOURCE  class folders (train, val, test) to read in place of the named data set, which would insist on all its classes
# WORK    where backbone, features and meta-training runs are kept (default: work/NAME); a killed run goes on from there
# SLICE   above 1: a trial on fewer epochs and iterations that proves the path end to end; its figures are not results
set -euo pipefail
dataset=$1 backbone=$2 recipe=$3 size=$4 views=$5 name=$6 paper=$7
cd "$(dirname "$0")/.."
work=${WORK:-work/$name} slice=${SLICE:-1} out=${OUT:-results/$name} source=${SOURCE:-}
root=(); [ -n "${ROOT:-}" ] && root=(--root "$ROOT")
epochs=(); [ "$slice" -gt 1 ] && epochs=(--epochs 1) && out="$work/$name" && views=2
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}

sibyl pretrain "${source:-$dataset}" "${root[@]}" --backbone "$backbone" --recipe "$recipe" "${epochs[@]}" --size "$size" --out "$work/backbone"
for split in train validation test; do
  [ -f "$work/features/$split/features.json" ] && continue
  kept=0; [ "$split" = train ] && kept=$views
  images=$dataset; [ -n "$source" ] && images=$source/${split/validation/val}
  sibyl embed "$images" "${root[@]}" --split "$split" --encoder "$work/backbone/backbone.safetensors" --views "$kept" --out "$work/features/$split"
done
python runs/sib_table.py "$work/features" "$out" --title "SIB, $backbone on $dataset" --paper "$paper" --work "$work/meta" --slice "$slice"
