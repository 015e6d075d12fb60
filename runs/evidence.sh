#!/bin/sh
# Makes results/evidence.md. CLINC150, PHOTOS (SqueezeNet) and PHOTOS_LITE2 (efficientnet-lite2) are folders of features that `sibyl embed`
# made of classes that no training met.
set -eu
cd "$(dirname "$0")/.."
: "${CLINC150:?features of CLINC150's test domains}" "${PHOTOS:?features of photographs by class}" "${PHOTOS_LITE2:?likewise}"
exec python runs/evidence.py --clinc150 "$CLINC150" --photos "$PHOTOS" --photos-lite2 "$PHOTOS_LITE2" "$@"
