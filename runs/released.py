"""The solvers that authors have released, run from folders that the user fetched: how each is loaded and asked.

Nothing of them is in this repository. A released file is executed as it lies, but for the replacements that stand beside it here (see
released_loading.py).
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.sparse.linalg
import scipy.stats  # noqa: F401  # the released iLPC reaches both through scipy
import torch
from experiment import commit
from released_loading import NO_GPU, Balanced, ExactSearch, Floats, Ingredient, Silent, load, plain, powered
from torch import Tensor
from torch.nn.functional import normalize


def pt_map(folder: Path, tasks: Balanced) -> Floats:
    solver = load(folder / "test_standard.py", NO_GPU)
    rows = solver.scaleEachUnitaryDatas(solver.QRreduction(powered(torch.cat([tasks.interleaved, tasks.query], 1))))
    labelled, queries = tasks.way * tasks.shot, tasks.query.shape[1]
    vars(solver).update(
        n_runs=len(rows), n_shot=tasks.shot, n_ways=tasks.way, n_queries=queries // tasks.way, n_lsamples=labelled,
        n_usamples=queries, n_samples=labelled + queries, n_nfeat=rows.shape[2], labels=tasks.labels,
    )  # fmt: skip
    solver.ndatas = solver.centerDatas(rows)
    model = solver.GaussianModel(tasks.way, 10)
    model.initFromLabelledDatas()
    solver.MAP(0.2).loop(model, n_epochs=20)
    return tasks.right(model.getProbas()[:, labelled:].argmax(2))


def proto_lp(folder: Path, tasks: Balanced) -> Floats:
    replaced = {**NO_GPU, "device='cuda'": "device='cpu'", "repeat(10000": "repeat(n_runs"}
    solver = load(folder / "test_standard_GSSL_lapshot.py", replaced)
    rows = solver.scaleEachUnitaryDatas(powered(torch.cat([tasks.interleaved, tasks.query], 1)))
    rows = solver.centerDatas(solver.SVDreduction(rows, 40))
    labelled, queries = tasks.way * tasks.shot, tasks.query.shape[1]
    each = queries // tasks.way
    vars(solver).update(
        n_runs=len(rows), n_shot=tasks.shot, n_ways=tasks.way, n_queries=each, n_lsamples=labelled, n_usamples=queries,
        labels=tasks.labels,
    )  # fmt: skip
    model = solver.GaussianModel(tasks.way, 10)
    model.initFromLabelledDatas(rows, len(rows), tasks.shot, each, tasks.way, rows.shape[2])
    solver.MAP(0.2).loop(model, rows, len(rows), tasks.way, queries, labelled, n_epochs=100)
    return tasks.right(model.getProbas(rows, len(rows), tasks.way, queries, labelled)[:, labelled:].argmax(2))


def bms(method: str) -> Callable[[Path, Balanced], Floats]:
    def answer(folder: Path, tasks: Balanced) -> Floats:
        solver = load(folder / "test_standard_bms.py", NO_GPU)
        solver.params = SimpleNamespace(method=method)
        rows = solver.scaleEachUnitaryDatas(powered(torch.cat([tasks.interleaved, tasks.query], 1)))
        rows = solver.scaleEachUnitaryDatas(solver.QRreduction(solver.centerDatas(rows)))
        data = solver.DataSet(rows, n_shot=tasks.shot, n_ways=tasks.way, n_queries=tasks.query.shape[1] // tasks.way)
        model, masks = solver.TrainedLinRegModel(data), solver.SimpleWMask(data)
        model.initFromLabelledDatas()
        smallest = torch.full((len(rows),), float(tasks.shot))
        for _ in range(20):
            shares = masks.getWMask(model.getProbas(scoresRescale=8.5), smallest)
            smallest = masks.getMinsize(shares)
            model.train(shares, {"lr": 0.1, "mmt": 0.8, "epochs": 0})
        return tasks.right(shares[:, tasks.way * tasks.shot :].argmax(2))

    return answer


def ilpc(folder: Path, tasks: Balanced) -> Floats:
    unused = ("import matplotlib.pyplot as plt", "import torchvision.transforms as transforms", "from PIL import Image",
              "from torch.nn.utils.weight_norm import WeightNorm", "from ici_models.resnet12 import resnet12", "import faiss")  # fmt: skip
    replaced = {**dict.fromkeys(unused, ""), **NO_GPU, "tol=1e-6": "rtol=1e-6", "np.in1d": "np.isin",
                # Nothing asks for these gradients; without them it is the same numbers in less time.
                "requires_grad=True": "requires_grad=False", "loss_each/(": "loss_each.detach()/("}  # fmt: skip
    solver = load(folder / "iterative_graph_functions.py", replaced, faiss=ExactSearch)
    rows = powered(torch.cat([tasks.interleaved, tasks.query], 1))
    rows = normalize(normalize(rows, dim=2) - normalize(rows, dim=2).mean(1, keepdim=True), dim=2)
    labelled, queries, right = tasks.way * tasks.shot, tasks.query.shape[1], []
    for x, y in zip(rows, tasks.labels, strict=True):
        options = SimpleNamespace(
            K=15, alpha=0.8, T=3, denoising_iterations=1000, n_ways=tasks.way, best_samples=3, sinkhorn_iter=1, unbalanced=False,
            no_samples=np.repeat(queries / tasks.way, tasks.way),
        )  # fmt: skip
        truth, answer = solver.iter_balanced_trans(options, x[:labelled], y[:labelled], x[labelled:], y[labelled:], labelled)
        right.append(float((np.asarray(truth) == np.asarray(answer)).mean()))
    return np.array(right)


def _tim_tools(folder: Path) -> dict[str, object]:
    tools = load(folder / "src/utils.py")
    return {name: getattr(tools, name) for name in ("get_mi", "get_cond_entropy", "get_entropy", "get_one_hot")}


def _asked(solver: Any, tasks: Balanced, **more: object) -> Floats:
    """Run one of TIM's solvers, which share their class, on rows of unit length."""
    support, query = normalize(tasks.support, dim=2), normalize(tasks.query, dim=2)
    known = {"support": support, "query": query, "y_s": tasks.support_y, "y_q": tasks.query_y}
    solver.model = Silent()
    solver.compute_lambda(support=support, query=query, y_s=tasks.support_y)
    solver.init_weights(**known)
    solver.run_adaptation(**known, **more)
    return tasks.right(solver.get_preds(query))


def tim(kind: str, steps: int) -> Callable[[Path, Balanced], Floats]:
    def answer(folder: Path, tasks: Balanced) -> Floats:
        replaced = {"from .utils import get_mi, get_cond_entropy, get_entropy, get_one_hot": "", "from tqdm import tqdm": "",
                    "from sacred import Ingredient": ""}  # fmt: skip
        module = load(folder / "src/tim.py", replaced, Ingredient=Ingredient, tqdm=plain, **_tim_tools(folder))
        solver = getattr(module, kind)(model=Silent())
        solver.iter = steps
        return _asked(solver, tasks, callback=None)

    return answer


def tim_realistic(kind: str, **settings: object) -> Callable[[Path, Balanced], Floats]:
    """TIM and α-TIM of "Realistic evaluation of transductive few-shot learning"."""

    def answer(folder: Path, tasks: Balanced) -> Floats:
        imported = "from src.utils import get_mi, get_cond_entropy, get_entropy, get_one_hot, Logger, extract_features"
        replaced = {imported: "", "from tqdm import tqdm": ""}
        module = load(folder / "src/methods/tim.py", replaced, Logger=Silent, tqdm=plain, **_tim_tools(folder))
        options = SimpleNamespace(temp=15, iter=1000, lr_tim=1e-4, lr_alpha_tim=1e-4, **settings)
        solver = getattr(module, kind)(model=None, device="cpu", log_file="", args=options)
        return _asked(solver, tasks, shot=tasks.shot)

    return answer


def bd_cspn(centred: bool) -> Callable[[Path, Balanced], Floats]:
    def answer(folder: Path, tasks: Balanced) -> Floats:
        tools = load(folder / "src/utils.py")
        replaced = {"from ..utils import get_metric, Logger, extract_features": "", "from tqdm import tqdm": ""}
        module = load(folder / "src/methods/bdcspn.py", replaced, Logger=Silent, tqdm=plain, get_metric=tools.get_metric)
        norm = "CL2N" if centred else "L2N"
        options = SimpleNamespace(norm_type=norm, n_ways=tasks.way, num_NN=1, batch_size=len(tasks.query))
        solver = module.BDCSPN(model=None, device="cpu", log_file="", args=options)
        support, query = (x.numpy() for x in solver.normalization(tasks.interleaved, tasks.query, tasks.base_mean))
        means = solver.proto_rectification(support=support, query=query, shot=tasks.shot)
        solver.run_prediction(means, query, np.arange(tasks.way), tasks.query_y.numpy(), tasks.shot)
        found: Floats = solver.get_logs()["acc"][:, 0]
        return found

    return answer


def laplacian_shot(centred: bool) -> Callable[[Path, Balanced], Floats]:
    def answer(folder: Path, tasks: Balanced) -> Floats:
        bound = load(folder / "src/lshot_update.py", {"import matplotlib\n": "", "matplotlib.use('Agg')": "",
                                                      "from matplotlib import pyplot as plt": ""})  # fmt: skip
        unused = ("from utils import configuration", "from lshot_update import bound_update", "import datasets", "import models")
        replaced = {**dict.fromkeys(unused, ""), "np.float)": "float)"}
        module = load(folder / "src/train_lshot.py", replaced, bound_update=bound.bound_update)
        module.args = SimpleNamespace(proto_rect=True, lshot=True, lmd=0.7, knn=3, meta_val_way=tasks.way, plot_converge=False)
        norm, support_y = "CL2N" if centred else "L2N", np.repeat(np.arange(tasks.way), tasks.shot)
        every = zip(tasks.support.numpy(), tasks.query.numpy(), tasks.query_y.numpy(), strict=True)
        return np.array([module.metric_class_type(s, q, support_y, y, tasks.shot, tasks.base_mean, norm) for s, q, y in every])

    return answer


def paddle(folder: Path, tasks: Balanced) -> Floats:
    tools = load(folder / "src/utils.py", {"import requests": ""})
    replaced = {"from src.utils import get_one_hot, Logger": "", "from tqdm import tqdm": ""}
    module = load(folder / "src/methods/paddle.py", replaced, Logger=Silent, tqdm=plain, get_one_hot=tools.get_one_hot)
    solver = module.PADDLE(None, "cpu", "", SimpleNamespace(iter=100, alpha=75))
    found = {
        "x_s": tasks.support.clone(),
        "x_q": tasks.query.clone(),
        "y_s": tasks.support_y[..., None],
        "y_q": tasks.query_y[..., None],
    }
    logs = solver.run_task(found, tasks.shot)
    return np.asarray(logs["acc"][:, -1], np.float64)


def oslo(folder: Path, tasks: Balanced) -> Floats:
    def compute_prototypes(x: Tensor, y: Tensor) -> Tensor:
        return torch.stack([x[y == label].mean(0) for label in y.unique()])

    replaced = {"from .abstract import AllInOne": "", "from easyfsl.utils import compute_prototypes": ""}
    module = load(folder / "src/all_in_one/osem.py", replaced, AllInOne=object, compute_prototypes=compute_prototypes)
    solver = module.OSEM(inference_steps=2, lambda_s=0.05, lambda_z=0.1, ema_weight=1.0, use_inlier_latent=True)
    mean = torch.cat([tasks.support, tasks.query], 1).mean(1, keepdim=True)
    support, query = normalize(tasks.support - mean, dim=2), normalize(tasks.query - mean, dim=2)
    predicted = []
    for s, q, y in zip(support, query, tasks.query_y, strict=True):
        kept: dict[str, defaultdict[str, list[object]]] = {
            "main_metrics": defaultdict(list),
            "secondary_metrics": defaultdict(list),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it also scores outliers, of which there are none
            _, shares, _ = solver(s, q, tasks.support_y[0], outliers=torch.zeros(len(q)), query_labels=y, intra_task_metrics=kept)
        predicted.append(shares.argmax(1))
    return tasks.right(torch.stack(predicted))


@dataclass(frozen=True)
class Peer:
    """A row of the page: a released solver, and ours with the settings that mean the same."""

    name: str
    repository: str
    answer: Callable[[Path, Balanced], Floats]
    ours: str
    settings: dict[str, object] = field(default_factory=dict)
    told: str | None = None
    centred: bool = False
    """Needs the mean of the training classes."""
    remark: str = ""


REALISTIC = "oveilleux/Realistic_Transductive_Few_Shot"
PEERS = (
    Peer("PT-MAP", "yhu01/PT-MAP", pt_map, "pt_map"),
    Peer("TIM-ADM", "mboudiaf/TIM", tim("TIM_ADM", 150), "tim"),
    Peer("TIM-GD", "mboudiaf/TIM", tim("TIM_GD", 1000), "tim_gradient"),
    Peer("TIM-GD equal weights", REALISTIC, tim_realistic("TIM_GD", loss_weights=[1.0, 1.0, 1.0]), "tim_skew"),
    Peer("α-TIM", REALISTIC, tim_realistic("ALPHA_TIM", loss_weights=[1.0, 1.0, 1.0], entropies=["Shannon", "Alpha", "Alpha"],
                                           alpha_values=None, use_tuned_alpha_values=True), "alpha_tim"),
    Peer("BMS", "yhu01/BMS", bms("BMS"), "bms"),
    Peer("BMS told balanced", "yhu01/BMS", bms("BMS_"), "bms", told="balanced"),
    Peer("iLPC", "MichalisLazarou/iLPC", ilpc, "ilpc",
         remark="both with 15 neighbours and α = 0.8, which the authors choose for each backbone and number of shots (released default: 20)"),
    Peer("protoLP", "allenhaozhu/protoLP", proto_lp, "proto_lp"),
    Peer("LaplacianShot", "imtiazziko/LaplacianShot", laplacian_shot(False), "laplacian_shot",
         remark="both at λ = 0.7, which the authors tune for each set; rows of unit length, not centred; the released code also classifies "
                "the queries where it shifted them to, ours where they were, as Realistic_Transductive_Few_Shot does"),
    Peer("LaplacianShot centred", "imtiazziko/LaplacianShot", laplacian_shot(True), "laplacian_shot", centred=True,
         remark="the released default: the mean of the training classes is taken away first, which ours does not do"),
    Peer("BD-CSPN", REALISTIC, bd_cspn(False), "bd_cspn", remark="rows of unit length, not centred"),
    Peer("BD-CSPN centred", REALISTIC, bd_cspn(True), "bd_cspn", centred=True,
         remark="the released default: the mean of the training classes is taken away first, which ours does not do"),
    Peer("PADDLE", "SegoleneMartin/PADDLE", paddle, "paddle",
         remark="ours at its own default, rows of length √60 in place of columns scaled by their range"),
    Peer("PADDLE by range", "SegoleneMartin/PADDLE", paddle, "paddle", {"temperature": None, "n_steps": 100},
         remark="ours with the authors' scaling and steps"),
    Peer("OSLO", "ebennequin/few-shot-open-set", oslo, "oslo"),
)  # fmt: skip


def folder_of(peer: Peer, peers: Path) -> Path | None:
    """Return where a repository lies below the folder that the user gives, if it does."""
    folder = peers / peer.repository.rpartition("/")[2]
    return folder if folder.is_dir() else None


def commit_of(folder: Path) -> str:
    """Return the commit of a fetched repository: of its git directory, or of a file COMMIT where there is none."""
    written = folder / "COMMIT"
    if written.is_file():
        return written.read_text(encoding="utf-8").strip()
    if not (folder / ".git").exists():
        return "unknown"
    return commit(folder)
