"""Methods: task → solution. A new method is one file here and one import line below, ``as`` its own name (see docs/add-a-method.md)."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isabstract

from sibyl.errors import UnknownName, UserError
from sibyl.methods.activations_to_parameters import ActivationsToParameters as ActivationsToParameters
from sibyl.methods.alpha_am import AlphaAM as AlphaAM
from sibyl.methods.alpha_tim import AlphaTIM as AlphaTIM
from sibyl.methods.anchored_means import AnchoredMeans as AnchoredMeans
from sibyl.methods.anil import ANIL as ANIL
from sibyl.methods.bavardage import Bavardage as Bavardage
from sibyl.methods.bd_cspn import BDCSPN as BDCSPN
from sibyl.methods.bms import BMS as BMS
from sibyl.methods.bpa import BPA as BPA
from sibyl.methods.class_mean import ClassMean as ClassMean
from sibyl.methods.cosine_classifier import FineTunedCosine as FineTunedCosine
from sibyl.methods.em_dirichlet import EMDirichlet as EMDirichlet
from sibyl.methods.gnn import GraphNetwork as GraphNetwork
from sibyl.methods.ilpc import ILPC as ILPC
from sibyl.methods.label_propagation import LabelPropagation as LabelPropagation
from sibyl.methods.label_spreading import LabelSpreading as LabelSpreading
from sibyl.methods.laplacian_shot import LaplacianShot as LaplacianShot
from sibyl.methods.leo import LEO as LEO
from sibyl.methods.logistic_regression import LogisticRegression as LogisticRegression
from sibyl.methods.matching_networks import MatchingNetworks as MatchingNetworks
from sibyl.methods.metaopt_ridge import MetaOptNetRidge as MetaOptNetRidge
from sibyl.methods.metaopt_svm import MetaOptNetSVM as MetaOptNetSVM
from sibyl.methods.method import LearnedMethod, Method, Objective, Traits
from sibyl.methods.nohub import NoHub as NoHub
from sibyl.methods.oslo import OSLO as OSLO
from sibyl.methods.paddle import Paddle as Paddle
from sibyl.methods.proto_lp import ProtoLP as ProtoLP
from sibyl.methods.prototypical import PrototypicalNetworks as PrototypicalNetworks
from sibyl.methods.pslp import PSLP as PSLP
from sibyl.methods.pt_map import PTMAP as PTMAP
from sibyl.methods.r2d2 import R2D2 as R2D2
from sibyl.methods.relation import RelationNetwork as RelationNetwork
from sibyl.methods.sib import SIB as SIB
from sibyl.methods.simple_shot import SimpleShot as SimpleShot
from sibyl.methods.snail import SNAIL as SNAIL
from sibyl.methods.soft_kmeans import SoftKMeans as SoftKMeans
from sibyl.methods.tim import TIM as TIM
from sibyl.methods.tim_gradient import TIMGradient as TIMGradient
from sibyl.methods.tim_skew import TIMSkew as TIMSkew
from sibyl.methods.tpn import TPN as TPN
from sibyl.methods.transductive_finetuning import TransductiveFinetuning as TransductiveFinetuning
from sibyl.methods.unem import UNEM as UNEM
from sibyl.methods.universal import UniversalSIB as UniversalSIB

__all__ = ["METHODS", "LearnedMethod", "Method", "Objective", "Traits", "build_method"]

# A method that is imported above is in the table, under its own name; the contract's abstract classes are not.
METHODS: dict[str, type[Method]] = {
    kind.name: kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, Method) and not isabstract(kind)
}


def build_method(name: str, settings: Mapping[str, object] | None = None) -> Method:
    """Build a method by name.

    Parameters
    ----------
    name : str
        A name of `METHODS`.
    settings : mapping, optional
        Constructor arguments; the defaults are the published settings.

    Raises
    ------
    UnknownName
        If there is no such method.
    UserError
        If a setting does not exist.
    """
    if name not in METHODS:
        raise UnknownName("method", name, METHODS)
    try:
        return METHODS[name](**(settings or {}))
    except TypeError as error:
        raise UserError(f"method {name!r} cannot be built from {dict(settings or {})}: {error}") from None
