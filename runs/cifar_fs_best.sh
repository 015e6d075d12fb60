#!/usr/bin/env bash
# SIB beyond the published set-up on CIFAR-FS with Conv-4-64: mirror images, power transform, the universal network, every close rival.
# Goes on from the backbone and the features of runs/cifar_fs_conv4.sh; see runs/sib_reproduction.sh for ROOT, SOURCE and WORK.
set -euo pipefail
cd "$(dirname "$0")/.."
work=${WORK:-work/cifar_fs_conv4} source=${SOURCE:-} slice=${SLICE:-1}
root=(); [ -n "${ROOT:-}" ] && root=(--root "$ROOT")
out=results/cifar_fs_best; [ "$slice" -gt 1 ] && out="$work/cifar_fs_best"
for split in train validation test; do
  [ -f "$work/mirror/$split/features.json" ] && continue
  images=cifar-fs; [ -n "$source" ] && images=$source/${split/validation/val}
  sibyl embed "$images" "${root[@]}" --split "$split" --encoder "$work/backbone/backbone.safetensors" --mirror --out "$work/mirror/$split"
done
python runs/cifar_fs_best.py --plain "$work/features" --mirror "$work/mirror" --work "$work/best" --out "$out" --slice "$slice"
