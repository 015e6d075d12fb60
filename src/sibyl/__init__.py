"""Sibyl: learn a classification task from one labelled example per class, by also using the data that nobody labelled.

Public names are imported when first used, so that ``import sibyl`` costs next to nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sibyl.episodes import EpisodeSampler as EpisodeSampler
    from sibyl.errors import CheckpointError as CheckpointError
    from sibyl.errors import DataError as DataError
    from sibyl.errors import MissingExtra as MissingExtra
    from sibyl.errors import SibylError as SibylError
    from sibyl.errors import UnknownName as UnknownName
    from sibyl.errors import UserError as UserError
    from sibyl.estimators.transductive import SIBClassifier as SIBClassifier
    from sibyl.estimators.transductive import TransductiveClassifier as TransductiveClassifier
    from sibyl.evaluation import Evaluation as Evaluation
    from sibyl.evaluation import evaluate as evaluate
    from sibyl.features import Features as Features
    from sibyl.features import check_disjoint as check_disjoint
    from sibyl.labeling.first_items import first_items as first_items
    from sibyl.labeling.label import label as label
    from sibyl.methods import METHODS as METHODS
    from sibyl.methods import LearnedMethod as LearnedMethod
    from sibyl.methods import Method as Method
    from sibyl.methods import build_method as build_method
    from sibyl.methods.checkpoint import load_method as load_method
    from sibyl.methods.checkpoint import save_method as save_method
    from sibyl.methods.sib import SIB as SIB
    from sibyl.methods.sib import adapt as adapt
    from sibyl.pretrained import load as load
    from sibyl.reviewing.notebook import review as review
    from sibyl.sharding.label import label_shards as label_shards
    from sibyl.tasks import Episode as Episode
    from sibyl.tasks import Solution as Solution
    from sibyl.tasks import Task as Task
    from sibyl.training.meta_train import meta_train as meta_train
    from sibyl.training.pretrain import pretrain as pretrain

__version__ = "0.1.0"

# onnxruntime writes a device id and queues reports of its use unless it is told not to before it is imported; the hub's client, too.
# Nothing leaves this machine unless somebody asks for a download.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

_NAMES = {
    "sibyl.episodes": "EpisodeSampler",
    "sibyl.errors": "CheckpointError DataError MissingExtra SibylError UnknownName UserError",
    "sibyl.estimators.transductive": "SIBClassifier TransductiveClassifier",
    "sibyl.evaluation": "Evaluation evaluate",
    "sibyl.features": "Features check_disjoint",
    "sibyl.labeling.first_items": "first_items",
    "sibyl.labeling.label": "label",
    "sibyl.methods": "LearnedMethod METHODS Method build_method",
    "sibyl.methods.checkpoint": "load_method save_method",
    "sibyl.methods.sib": "SIB adapt",
    "sibyl.pretrained": "load",
    "sibyl.reviewing.notebook": "review",
    "sibyl.sharding.label": "label_shards",
    "sibyl.tasks": "Episode Solution Task",
    "sibyl.training.meta_train": "meta_train",
    "sibyl.training.pretrain": "pretrain",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

# Constants, classes, functions.
__all__ = sorted(_HOME, key=lambda name: (not name.isupper(), name[0].islower(), name))


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'sibyl' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
