"""The model card of a shared classifier: what it is, what it was made from, how to use it, what to mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_TEMPLATE = """\
---
library_name: sibyl-learn
tags:
- few-shot-learning
- semi-supervised
- sibyl
---

# {title}

A classifier of feature vectors, learned by [Sibyl](https://pypi.org/project/sibyl-learn/) from few labelled examples and the unlabelled
items around them.

| | |
|---|---|
| method | {method} |
| input | {n_features} feature columns{columns} |
| classes | {n_classes} |
| used the unlabelled items | {used} |

```python
from sibyl import {kind}

classifier = {kind}.from_pretrained("{repository}")
labels, scores = classifier.predict(X), classifier.outlier_score(X)
```

| class | share of the unlabelled items, estimated |
|---|---|
{mix}

## What to mind

Rows must come from the same encoder, or the same columns with the same scaling, as those it was fitted on. It answers with one of the
classes above even where none fits; `outlier_score` is higher for such rows. Probabilities are estimates from very few labels. How
accurate it is was not measured by the library: measure it on labelled items of your own.
"""


def model_card(
    *,
    kind: str,
    method: str,
    n_features: int,
    classes: Sequence[object],
    class_mix: Sequence[float],
    fell_back: bool,
    columns: Sequence[str] = (),
    repository: str = "USER/NAME",
) -> str:
    """Return a model card in Markdown with the hub's header.

    Parameters
    ----------
    kind : str
        Name of the estimator's class.
    method : str
        Name of the method.
    n_features : int
        Columns of the input.
    classes : sequence
        The classes.
    class_mix : sequence of float
        Estimated share of each.
    fell_back : bool
        The answer does not use the unlabelled items.
    columns : sequence of str
        Names of the input's columns, where they have names.
    repository : str
        Where the classifier will be found.
    """
    shares = [f"| {_cell(name)} | {share:.1%} |" for name, share in zip(classes, class_mix, strict=True)]
    shown = shares if len(shares) <= 30 else [*shares[:30], f"| … {len(shares) - 30} more | |"]
    names: Mapping[bool, str] = {True: "no: too few of them, the answer is the inductive one", False: "yes"}
    return _TEMPLATE.format(
        title=f"Sibyl classifier of {len(classes)} classes",
        method=method,
        n_features=n_features,
        columns=": " + ", ".join(_cell(name) for name in columns[:20]) + ("…" if len(columns) > 20 else "") if len(columns) else "",
        n_classes=len(classes),
        used=names[fell_back],
        kind=kind,
        repository=repository,
        mix="\n".join(shown),
    )


def _cell(name: object) -> str:
    return str(name).replace("|", r"\|").replace("\n", " ")
