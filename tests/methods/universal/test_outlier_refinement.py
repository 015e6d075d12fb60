from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sibyl.methods.universal import UniversalSIB
from sibyl.methods.universal.classifier import N_OUTLIER_FEATURES, UniversalClassifier
from sibyl.methods.universal.outlier_refinement import N_REFINEMENT_FEATURES, OutlierRefinement
from tests.methods.contract import make_task

WIDE, NARROW, INLIERS = N_OUTLIER_FEATURES + 1, N_OUTLIER_FEATURES + 2, N_OUTLIER_FEATURES + N_REFINEMENT_FEATURES - 1


@pytest.fixture(scope="module")
def network() -> UniversalSIB:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UniversalSIB(n_steps=2)
        for parameter in network.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    return network.double().eval()


class Watching(nn.Module):
    """Keeps what it is shown, and changes nothing."""

    def forward(self, shown: Tensor) -> Tensor:
        self.shown = shown
        return shown.new_zeros(*shown.shape[:-1], 1)


def watched(classifier: UniversalClassifier, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the second network is shown of rows, and the first score's log odds times three and back."""
    assert classifier.second is not None
    watching = Watching()
    looked = replace(classifier, second=replace(classifier.second, network=watching))
    looked.outlier_score(x)
    return watching.shown, replace(classifier, second=None).outlier_score(x).logit()


def second_of(network: UniversalSIB, n_query: int = 20) -> tuple[UniversalClassifier, OutlierRefinement, Tensor]:
    task = make_task(n_query=n_query)
    classifier = network.solve(task).classifier
    assert isinstance(classifier, UniversalClassifier)
    assert classifier.second is not None
    return classifier, classifier.second, task.query_x


def test_a_network_that_is_not_trained_yet_changes_nothing() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        classifier, _, x = second_of(UniversalSIB(n_steps=1).double().eval())
    assert torch.equal(classifier.outlier_score(x), replace(classifier, second=None).outlier_score(x))


def test_rows_hear_the_mean_of_their_neighbours_log_odds_without_their_own(network: UniversalSIB) -> None:
    classifier, second, x = second_of(network)
    shown, odds = watched(classifier, x)
    assert torch.allclose(second.odds[..., 0][second.is_neighbour], odds[second.is_neighbour])  # of the queries themselves
    weight = (15 * second.direction @ second.direction.mT).exp() * second.is_neighbour[:, None]
    weight.diagonal(dim1=1, dim2=2).zero_()
    around = (weight @ odds[..., None])[..., 0] / weight.sum(2)
    assert torch.allclose(3 * shown[..., NARROW], around)
    assert not torch.allclose(shown[..., WIDE], shown[..., NARROW])


def test_a_row_of_the_task_and_the_same_row_anew_score_alike(network: UniversalSIB) -> None:
    task = make_task(n_query=20)
    solution = network.solve(task)
    assert isinstance(solution.classifier, UniversalClassifier)
    assert solution.outlier_score is not None
    one = solution.classifier.outlier_score(task.query_x[:, 3:4])
    assert torch.allclose(one, solution.outlier_score[:, 3:4])


def test_suspects_weigh_nothing_in_the_class_means(network: UniversalSIB) -> None:
    suspicious, sure = (copy.deepcopy(network) for _ in range(2))
    suspicious.outlier, sure.outlier = nn.Sequential(Constant(50.0)), nn.Sequential(Constant(-50.0))
    classifier, second, _ = second_of(suspicious)
    assert torch.allclose(second.around.direction, classifier.first_around.direction)  # of the labelled rows alone
    assert float(second.inliers.max()) < 1e-9
    _, all_in, _ = second_of(sure)
    assert not torch.allclose(all_in.around.direction, classifier.first_around.direction)
    assert torch.allclose(all_in.inliers, torch.ones_like(all_in.inliers))


class Constant(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return x.new_full((*x.shape[:-1], 1), self.value)


def test_without_unlabelled_rows_a_new_row_hears_itself(network: UniversalSIB) -> None:
    task = make_task(n_query=20)
    alone = replace(task, query_x=task.query_x[:, :0], query_mask=task.query_mask[:, :0])
    classifier = network.solve(alone).classifier
    assert isinstance(classifier, UniversalClassifier)
    shown, odds = watched(classifier, task.query_x)
    assert torch.allclose(3 * shown[..., NARROW], odds)
    assert bool((shown[..., INLIERS] == 1).all())
