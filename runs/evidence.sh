#!/bin/sh
# Makes results/evidence.md. CLINC150 and PHOTOS are folders of features that `sibyl embed` made of classes that no training met.
set -eu
cd "$(dirname "$0")/.."
: "${CLINC150:?features of CLINC150's test domains}" "${PHOTOS:?features of photographs by class}"
exec python runs/evidence.py --clinc150 "$CLINC150" --photos "$PHOTOS" "$@"
