"""Sibyl: learn a classification task from one labelled example per class, by also using the data that nobody labelled.

Public names are imported when first used, so that ``import sibyl`` costs next to nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sibyl.episodes import EpisodeSampler
    from sibyl.errors import CheckpointError, DataError, MissingExtra, SibylError, UnknownName, UserError
    from sibyl.estimators.transductive import SIBClassifier, TransductiveClassifier
    from sibyl.evaluation import Evaluation, evaluate
    from sibyl.features import Features, check_disjoint
    from sibyl.labeling.first_items import first_items
    from sibyl.labeling.label import label
    from sibyl.methods import METHODS, LearnedMethod, Method, build_method
    from sibyl.methods.checkpoint import load_method, save_method
    from sibyl.methods.sib import SIB, adapt
    from sibyl.pretrained import load
    from sibyl.reviewing.notebook import review
    from sibyl.sharding.label import label_shards
    from sibyl.tasks import Episode, Solution, Task
    from sibyl.training.meta_train import meta_train
    from sibyl.training.pretrain import pretrain

__version__ = "0.1.0"

# onnxruntime writes a device id and queues reports of its use unless it is told not to before it is imported; the hub's client, too.
# Nothing leaves this machine unless somebody asks for a download.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

_HOME = {
    "METHODS": "sibyl.methods",
    "SIB": "sibyl.methods.sib",
    "CheckpointError": "sibyl.errors",
    "DataError": "sibyl.errors",
    "Episode": "sibyl.tasks",
    "EpisodeSampler": "sibyl.episodes",
    "Evaluation": "sibyl.evaluation",
    "Features": "sibyl.features",
    "LearnedMethod": "sibyl.methods",
    "Method": "sibyl.methods",
    "MissingExtra": "sibyl.errors",
    "SIBClassifier": "sibyl.estimators.transductive",
    "SibylError": "sibyl.errors",
    "Solution": "sibyl.tasks",
    "Task": "sibyl.tasks",
    "TransductiveClassifier": "sibyl.estimators.transductive",
    "UnknownName": "sibyl.errors",
    "UserError": "sibyl.errors",
    "adapt": "sibyl.methods.sib",
    "build_method": "sibyl.methods",
    "check_disjoint": "sibyl.features",
    "evaluate": "sibyl.evaluation",
    "first_items": "sibyl.labeling.first_items",
    "label": "sibyl.labeling.label",
    "label_shards": "sibyl.sharding.label",
    "load": "sibyl.pretrained",
    "load_method": "sibyl.methods.checkpoint",
    "meta_train": "sibyl.training.meta_train",
    "pretrain": "sibyl.training.pretrain",
    "review": "sibyl.reviewing.notebook",
    "save_method": "sibyl.methods.checkpoint",
}

__all__ = [
    "METHODS",
    "SIB",
    "CheckpointError",
    "DataError",
    "Episode",
    "EpisodeSampler",
    "Evaluation",
    "Features",
    "LearnedMethod",
    "Method",
    "MissingExtra",
    "SIBClassifier",
    "SibylError",
    "Solution",
    "Task",
    "TransductiveClassifier",
    "UnknownName",
    "UserError",
    "adapt",
    "build_method",
    "check_disjoint",
    "evaluate",
    "first_items",
    "label",
    "label_shards",
    "load",
    "load_method",
    "meta_train",
    "pretrain",
    "review",
    "save_method",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'sibyl' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
