"""TransductiveClassifier and SIBClassifier: the methods of this package behind scikit-learn's interface."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor
from torch.nn.functional import one_hot

from sibyl.errors import InputError, reason_of
from sibyl.estimators.labels import read_labels
from sibyl.estimators.sharing import Sharing
from sibyl.memmap import slices
from sibyl.methods import LearnedMethod, Method
from sibyl.methods.classifiers import outlier_score
from sibyl.methods.named import DEFAULT_METHOD, method_by_name
from sibyl.threads import torch_threads
from sibyl.transduction.class_names import read_class_vectors
from sibyl.transduction.class_prior import read_class_prior
from sibyl.transduction.feature_rows import Checked, checked_rows, dense
from sibyl.transduction.transduce import Transduction, transduce


class TransductiveClassifier(Sharing, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Any method of this package as a scikit-learn classifier that also learns from the unlabelled rows.

    `fit` takes all rows, most of them unlabelled, and labels them all (`transduction_`); `predict` applies the adapted classifier to
    rows that were not there. Rows are features of any encoder, or standardised columns of a table.

    Parameters
    ----------
    method : str, path or Method
        A name of `sibyl.METHODS`, the checkpoint of a trained method, or a method.
    class_prior : None, "balanced", array [class] or mapping of class to share, count or word
        What is known of the class mix of the unlabelled rows: nothing, all classes equally frequent, the share of each class, known
        exactly, or roughly: counts of a random sample (``{"cat": 9, "dog": 6}``) or words (``{"fraud": "rare"}``), which are enforced
        softly. See `sibyl.transduction.class_prior.read_class_prior`.
    device : str
        Where tensors are computed, as torch names it: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    batch_rows : int
        Rows that are read, checked and predicted at once; bounds the memory that new rows take.
    is_table : "auto" or bool
        Whether the columns of `X` are those of a table, whose rows may differ in size alone, and not an encoder's, whose rows differ in
        direction. A table of up to 40 columns is also solved with its rows on a sphere and under a kernel, where universal SIB sees
        distances, and the answer is the mean. ``"auto"``: where `X` has up to 40 columns.

    Attributes
    ----------
    classes_ : array [class]
        The classes that have a labelled row or a vector, sorted.
    transduction_ : array [row]
        The label of every row of `fit`; a labelled row keeps its own.
    label_distributions_ : float32 array [row, class]
        Probabilities of every row of `fit`; one-hot for labelled rows.
    inductive_labels_ : array [row]
        What the labels would be without the other unlabelled rows: the method's own starting point, or the nearest class mean where it
        has none.
    outlier_score_ : float32 array [row]
        Higher means more likely none of the classes: the method's own score, or one minus the largest probability; 0 for labelled rows.
    class_names_ : mapping of class to str
        For each class whether its name was used, and how like its labelled rows it is; empty without `class_vectors`.
    class_mix_ : float array [class]
        Estimated share of each class among the unlabelled rows (among the labelled ones, where all are labelled).
    fell_back_ : bool
        Whether the answer is the inductive one because the unlabelled rows could not help.
    classifier_ : callable
        The adapted classifier, float tensor [1, row, feature] → logits [1, row, class].
    device_ : str
        Where the classifier's tensors are.
    n_features_in_ : int
        Columns of `X`.
    feature_names_in_ : array [feature]
        Names of the columns, where `X` was a table with names.

    Notes
    -----
    Unlabelled is the number −1; beside strings in an object array also None and NaN, and in a float array NaN. The string "-1" is
    refused. A class is what has a labelled row: a category of a pandas Categorical that no row carries is none.

    Where all rows are labelled a transductive method has nothing to learn from: `fell_back_` is true, and new rows get its inductive
    answer, if it works in passes over slices, or else the nearest class mean. The class mean also takes the place of a method that cannot
    work on a single unlabelled row when there is but one. Methods that yield assignments and no classifier predict new
    rows through the class means, by cosine, of all rows weighted by their assignments. Duplicate rows are rows like any other.

    Rows are taken as they are: standardise the columns of a table first (``make_pipeline(StandardScaler(), SIBClassifier())``).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0.0, 1.0], [0.1, 1.0], [0.2, 1.0], [1.0, 0.0], [1.0, 0.1], [1.0, 0.2]])
    >>> y = np.array(["up", -1, -1, "right", -1, -1], dtype=object)
    >>> print(TransductiveClassifier("soft_kmeans").fit(X, y).transduction_)
    ['up' 'up' 'up' 'right' 'right' 'right']
    """

    # Any: the constructor only stores, as scikit-learn asks; `fit` checks.
    def __init__(
        self,
        method: Any = DEFAULT_METHOD,
        *,
        class_prior: Any = None,
        device: Any = "cpu",
        batch_rows: Any = 16_384,
        is_table: Any = "auto",
    ) -> None:
        self.method = method
        self.class_prior = class_prior
        self.device = device
        self.batch_rows = batch_rows
        self.is_table = is_table

    def fit(self, X: Any, y: Any, class_vectors: Mapping[Any, Any] | None = None) -> TransductiveClassifier:
        """Learn from labelled and unlabelled rows together.

        Parameters
        ----------
        X : array-like [row, feature]
            numpy (also memory-mapped), pandas, polars or torch; dense.
        y : array-like [row]
            The class of each row; −1 where it is unknown.
        class_vectors : mapping of class to array [feature], optional
            The name of each class as a row of the same space: the output of the same sentence encoder, or of CLIP's text half. Each is
            one more labelled row, if the names agree with the labelled rows; `class_names_` says which were used. It may
            name classes that no row of `y` has, and with such names `y` may be all −1.

        Returns
        -------
        TransductiveClassifier
            Itself.

        Raises
        ------
        InputError
            If rows, labels or the prior are not as described; the message names the row or value.
        UserError
            If the method does not exist, must be trained first, is for another shape, or its answer is not finite.
        """
        device = self._check_settings()
        if y is None:
            raise InputError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        X = validate_data(self, dense(X), dtype=(np.float64, np.float32), ensure_all_finite=False)
        labels = read_labels(y, list(class_vectors or ()))
        if len(labels.codes) != len(X):
            raise InputError(
                f"Found input variables with inconsistent numbers of samples: X has {len(X)} rows, y {len(labels.codes)} labels"
            )
        prior = read_class_prior(self.class_prior, labels.classes.tolist())
        method = self._method(X.shape[1], len(labels.classes), device)
        vectors = read_class_vectors(class_vectors, labels.classes.tolist(), X.shape[1]) if class_vectors else None
        found = transduce(
            X, labels.codes, len(labels.classes), method, prior, device=device, in_place=True, class_vectors=vectors,
            is_table=bool(self.is_table),
        )  # fmt: skip
        for note in found.notes():
            warnings.warn(note, UserWarning, stacklevel=2)
        self._keep(found, labels.classes)
        self.class_names_ = {} if found.names is None else found.names.words(labels.classes.tolist())
        self.device_ = str(device)
        return self

    @torch_threads()
    def _keep(self, found: Transduction, classes: npt.NDArray[Any]) -> None:
        """Keep what is said of the rows as scikit-learn's attributes."""
        solution, given = found.solution, torch.from_numpy(found.codes[found.codes >= 0])
        assert solution.inductive_logits is not None
        mix, classifier = solution.class_mix, solution.classifier
        assert mix is not None
        assert classifier is not None
        inductive = found.all_rows(solution.inductive_logits[0].argmax(-1).cpu(), given)
        solution = replace(solution, inductive_logits=None)  # as large as the answer itself: not kept longer than needed
        probabilities = solution.logits[0].float().cpu()
        for part in slices(probabilities):  # in place: another copy would be as large again
            probabilities[part] = probabilities[part].softmax(-1)
        doubt = 1 - probabilities.amax(-1) if solution.outlier_score is None else solution.outlier_score[0].float().cpu()
        distributions = found.all_rows(probabilities, one_hot(given, len(classes)))
        self.classes_ = classes
        self.transduction_ = classes[distributions.argmax(-1).numpy()]
        self.label_distributions_ = distributions.numpy()
        self.inductive_labels_ = classes[inductive.numpy()]
        self.outlier_score_ = found.all_rows(doubt, torch.zeros(len(given))).numpy()
        self.class_mix_ = mix[0].double().cpu().numpy()
        self.fell_back_ = found.fell_back
        self.classifier_ = classifier

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the class of each new row, array [row]."""
        return self._apply(X, lambda x: self.classes_[self.classifier_(x)[0].argmax(-1).cpu().numpy()])

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:
        """Return the probability of each class for each new row, float32 [row, class] in the order of `classes_`."""
        return self._apply(X, lambda x: self.classifier_(x)[0].float().softmax(-1).cpu().numpy())

    def outlier_score(self, X: Any) -> npt.NDArray[np.float32]:
        """Return how likely each new row is none of the classes, float32 [row]; higher is likelier.

        The classifier's own score where it has one, otherwise one minus the largest probability.
        """
        return self._apply(X, lambda x: outlier_score(self.classifier_, x)[0].float().cpu().numpy())

    def _apply(self, X: Any, answer: Callable[[Tensor], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        check_is_fitted(self)
        X = validate_data(self, dense(X), dtype=(np.float64, np.float32), ensure_all_finite=False, reset=False)
        checked_rows(X)
        self._check_settings()
        device = torch.device(self.device_)
        with torch.no_grad(), torch_threads():
            return np.concatenate([answer(Checked(X).copied(part)[None].to(device)) for part in slices(X, self.batch_rows)])

    def _check_settings(self) -> torch.device:
        if not isinstance(self.batch_rows, int | np.integer) or self.batch_rows < 1:
            raise InputError(f"batch_rows must be a whole number above 0, got {self.batch_rows!r}")
        if not (isinstance(self.is_table, bool | np.bool_) or self.is_table == "auto"):
            raise InputError(f"is_table must be 'auto', True or False, got {self.is_table!r}")
        try:
            device = torch.device(self.device)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, TypeError) as error:
            reason = reason_of(error, line=0)
            raise InputError(
                f"device must name a device that torch has here, such as 'cpu', got {self.device!r} ({reason})"
            ) from None
        return device

    def _method(self, dim: int, n_way: int, device: torch.device) -> Method:
        if isinstance(self.method, str | Path):
            method = method_by_name(str(self.method), dim, n_way)
        elif isinstance(self.method, Method):
            method = self.method
        else:
            raise InputError(f"method must be the name of a method, a checkpoint or a Method, got {self.method!r}")
        if isinstance(method, LearnedMethod):
            # A copy, because the caller's network stays where and as it is.
            method = copy.deepcopy(method).to(device, torch.float32).eval()
        return method


class SIBClassifier(TransductiveClassifier):
    """Label a few rows, and let the rest teach: the classifier to reach for first.

    `TransductiveClassifier` with the package's default method (`sibyl.methods.named.DEFAULT_METHOD`), which needs no setting: it fits
    any number of classes and columns, presumes nothing of the class mix, and answers inductively where no row is unlabelled.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, truth = load_digits(return_X_y=True)
    >>> y = np.full(len(X), -1)
    >>> order = np.random.default_rng(2).permutation(len(X))
    >>> one_of_each = order[np.unique(truth[order], return_index=True)[1]]
    >>> y[one_of_each] = truth[one_of_each]
    >>> classifier = SIBClassifier().fit(X, y)
    >>> bool((classifier.transduction_ == truth).mean() > (classifier.inductive_labels_ == truth).mean())
    True
    """
