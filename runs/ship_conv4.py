"""Put a reproduced Conv-4 and its SIB heads into the package: src/sibyl/weights/conv4-cifar-fs*.safetensors and a card.

    python runs/ship_conv4.py WORK

WORK is the folder of ``runs/cifar_fs_conv4.sh``: ``backbone/backbone.safetensors`` and ``meta/``. The heads are those of seed 0 of the
variant that was chosen on validation classes; the encoder is stored in float16.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from sibyl.backbones.checkpoint import SHIPPED, load_backbone, save_backbone
from sibyl.methods.checkpoint import load_method, save_method
from sibyl.storage import read_json, write_text
from sibyl.tensors import load_tensors

NAME, VARIANT = "conv4-cifar-fs", "per-episode_normalisation_K=5"
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    work: Path = parser.parse_args().work
    encoder = load_backbone(work / "backbone" / "backbone.safetensors")
    card = encoder.card | {"name": NAME, "licence": "Apache-2.0", "data": "CIFAR-FS, training classes (CIFAR-100, Krizhevsky 2009)"}
    save_backbone(SHIPPED / f"{NAME}.safetensors", replace(encoder, card=card), half=True)
    table = read_json(ROOT / "results" / "cifar_fs_conv4.json")["table"]["per-episode normalisation, K=5"]
    rows = []
    for shot in (1, 5):
        path = work / "meta" / f"{VARIANT}_{shot}-shot_seed_0" / "last.safetensors"
        trained = load_tensors(path)[1]["card"]
        save_method(
            SHIPPED / f"{NAME}-sib-{shot}shot.safetensors", load_method(path), trained | {"name": NAME, "licence": "Apache-2.0"}
        )
        entry = table[str(shot)]
        rows.append(
            f"| {shot} | {100 * trained['validation']:.1f} | {100 * entry['accuracy']:.2f} ± {100 * entry['interval']:.2f} |"
        )
    text = f"""# {NAME}

A Conv-4-64 encoder for 32 × 32 colour images (256 features, float16 on disk) and two SIB heads, 5-way, K = 5, statistics per episode.

| shots | validation classes, % (last check of training) | test classes, % (three seeds, 2,000 episodes) |
|---|---|---|
{chr(10).join(rows)}

- **Data**: the 64 training classes of CIFAR-FS (CIFAR-100, Krizhevsky 2009; its authors state no licence). Nothing else was seen; the epoch
  and every setting were chosen on the 16 validation classes.
- **Made by**: `runs/cifar_fs_conv4.sh`, then `python runs/ship_conv4.py`. Recipe and seeds are in the files' metadata.
- **Use**: `sibyl.load("{NAME}")`, or `sibyl label … --encoder {NAME}`, which works without network.
- **Limits**: small images of everyday objects and animals. The heads are for five classes and about 75 balanced unlabelled items; for
  other tasks use the encoder with a method that fits any shape.
- **Licence of the weights**: Apache-2.0.
"""
    write_text(SHIPPED / f"{NAME}.md", text)
    print(text)


if __name__ == "__main__":
    main()
