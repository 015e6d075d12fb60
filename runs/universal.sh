#!/usr/bin/env bash
# Rebuilds the shipped weights of universal SIB: features (cross-fitted backbones, pixels, sentences), then meta-training. A few hours on
# two cores; killed and started again, it goes on. Nothing of any test class is read.
#
#   CIFAR_FS=data/cifar_fs OMNIGLOT=data/omniglot CLINC150=features/clinc150 SQUEEZENET=features/cifar-squeezenet \
#     OMNIGLOT_KNOWN=features/omniglot-known runs/universal.sh
#
# CIFAR_FS, OMNIGLOT   the data sets (class folders or the official archives)
# CLINC150             folder with train/ and validation/: sentence features of the intents (sibyl embed clinc150 --split train ...)
# SQUEEZENET           folder with train/ and validation/: SqueezeNet features of CIFAR-FS's training and validation classes
# OMNIGLOT_KNOWN       folder with train/ and validation/: Omniglot features of a backbone that knows the classes (sibyl pretrain omniglot)
# WORK, ITERATIONS     where everything goes (runs/universal); steps of meta-training (9000)
#
# The blend for piles is fitted afterwards: SHIP=1 runs/piles.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${CIFAR_FS:?set CIFAR_FS (see the head of this file)}" "${OMNIGLOT:?set OMNIGLOT}" "${CLINC150:?set CLINC150}" "${SQUEEZENET:?set SQUEEZENET}" "${OMNIGLOT_KNOWN:?set OMNIGLOT_KNOWN}"
WORK="${WORK:-runs/universal}"
PYTHON="${PYTHON:-python}"
# Large temporaries of the convolutions stay in the process: giving them back to the system after each step costs half of the time.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=17179869184
"$PYTHON" runs/universal_features.py --out "$WORK/features" --cifar-fs "$CIFAR_FS" --omniglot "$OMNIGLOT"
"$PYTHON" runs/universal.py --features "$WORK/features" --more "clinc150=$CLINC150" --more "cifar-squeezenet=$SQUEEZENET" \
  --more "omniglot-known=$OMNIGLOT_KNOWN" --validate clinc150,cifar-squeezenet,glyphs-8,cifar-conv4,omniglot-conv4 \
  --out "$WORK/network" --iterations "${ITERATIONS:-9000}"
"$PYTHON" runs/universal_outliers.py --features "$WORK/features" --more "clinc150=$CLINC150" --more "cifar-squeezenet=$SQUEEZENET" \
  --network "$WORK/network"
"$PYTHON" runs/ship_universal.py "$WORK/network"
