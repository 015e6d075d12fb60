"""Put a meta-trained universal SIB into the package: src/sibyl/weights/methods/universal_sib.safetensors and a card.

python runs/ship_universal.py NETWORK      (then SHIP=1 runs/piles.sh; NETWORK is the folder that runs/universal.py and runs/universal_outliers.py wrote)
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sibyl.methods.checkpoint import load_method, save_method
from sibyl.methods.named import SHIPPED
from sibyl.storage import write_text
from sibyl.tensors import load_tensors

CARD = """# universal_sib

A meta-trained solver for any number of classes, shots and unlabelled items, any features and any class mix: {parameters:,} parameters,
{size:,} bytes.

- **Data**: {data}.
  Backbones were cross-fitted, so that their features are of classes they had not seen (omniglot-known, where it is named, knows its
  classes); besides, features were projected at random, and {synthetic:.0%} of the tasks were synthetic clusters. No test class was trained on or chose a setting; what to change was decided after reading some (`results/universal.md`). SqueezeNet, which embedded
  one of the sets, has seen ImageNet; the sentence encoder MiniLM has seen the web.
- **Training**: {iterations:,} steps of {episodes} tasks each, AdamW, {loss}; the checkpoint with the best mean
  accuracy on validation classes ({validation:.2%}, over sets, 1 and 5 shots, five class mixes). Then, with all else frozen, the outlier refinement: {blocks:,}
  blocks of up to {episodes} tasks, cross-entropy and how each outlier ranks against each other row; mean AUROC on validation classes {auroc:.2%}.
- **Piles**: above 1,024 unlabelled items, what blends class means, graph and labelled items alone was fitted to 92 piles of 5 to 200 classes of
  training and validation classes, all else frozen (`runs/piles.sh`, `results/piles.md`).
- **Made by**: `runs/universal.sh`; measured by `runs/universal_eval.sh` (`results/universal.md`).
- **Use**: `SIBClassifier()`, `sibyl label`, `sibyl compare --methods universal_sib`.
- **Limits**: trained on up to {ways} classes and {queries} unlabelled items per task; larger tasks are extrapolation. Features must place items
  of one class near each other: no solver mends an encoder that does not.
- **Licence of the weights**: Apache-2.0.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    path = parser.parse_args().network / "complete.safetensors"
    network, card = load_method(path), load_tensors(path)[1]["card"]
    target = SHIPPED / "universal_sib.safetensors"
    target.parent.mkdir(exist_ok=True)
    save_method(target, network, card)
    recipe = card["training"]["recipe"]
    text = CARD.format(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        size=target.stat().st_size,
        data=", ".join(dict.fromkeys(name.split("/")[0] for name in card["data"])) + " (training classes)",
        synthetic=card["ranges"]["synthetic"],
        iterations=recipe["iterations"],
        episodes=recipe["episodes"],
        loss="the bound (cross-entropy and KL), the expected error where the class mix is told, outliers",
        validation=card["validation"],
        blocks=card["outliers"]["blocks"],
        auroc=card["outliers"]["validation"],
        ways=card["ranges"]["widest"],
        queries=card["ranges"]["most_queries"],
    )
    write_text(target.with_suffix(".md"), text)
    print("shipped:", target.name, f"{target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
