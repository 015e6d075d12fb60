"""Fitted classifiers that travel: one file to save and load, an ONNX model, the model hub."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from huggingface_hub import ModelCard, ModelHubMixin, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
from sklearn.utils.validation import check_is_fitted

from sibyl.encoders.onnx import OnnxEncoder
from sibyl.errors import CheckpointError, DataError, UserError, reason_of
from sibyl.estimators.saved import RowsAnswer, Saved, read_saved
from sibyl.export.card import model_card
from sibyl.export.onnx_model import classifier_model, write_model
from sibyl.export.pixels import join_encoder, pixel_network
from sibyl.methods.method import Method
from sibyl.methods.saved_classifier import put_together, take_apart
from sibyl.storage import Json, write_json
from sibyl.tasks import Classifier

T = TypeVar("T", bound="Sharing")
WEIGHTS, CONFIG = "model.safetensors", "config.json"


class Sharing(ModelHubMixin):
    """Save, load, export, and huggingface_hub's mixin: ``model.safetensors``, ``config.json`` for readers, and a model card.

    What is said of the rows of `fit` does not go to the hub; it gets what new rows need.
    """

    classifier_: Classifier
    classes_: npt.NDArray[Any]
    class_mix_: npt.NDArray[np.float64]
    fell_back_: bool
    device_: str
    n_features_in_: int
    method: Any
    class_prior: Any
    batch_rows: Any
    is_table: Any
    feature_names_in_: npt.NDArray[Any]
    label_distributions_: npt.NDArray[np.float32]
    outlier_score_: npt.NDArray[np.float32]
    transduction_: npt.NDArray[Any]
    inductive_labels_: npt.NDArray[Any]

    def __new__(cls, *_: object, **__: object) -> Sharing:
        """Build an instance without the mixin's record of arguments: scikit-learn's contract asks for a constructor that only stores."""
        return object.__new__(cls)

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Name the parameters of the constructor: Python before 3.11.3 shows those of `__new__`."""
        super().__init_subclass__(**keywords)
        _, *parameters = inspect.signature(cls.__init__).parameters.values()
        cls.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]

    def save(self, path: str | Path, *, rows: bool = True) -> Json:
        """Write the fitted classifier to one safetensors file, whole or not at all; no pickle.

        Parameters
        ----------
        path : path
            Conventionally ends in ``.safetensors``.
        rows : bool
            Keep what is said of the rows of `fit` (`transduction_` and its like) too, not only what new rows need.

        Returns
        -------
        mapping
            The file's JSON part.

        Raises
        ------
        UserError
            If the classifier holds something else than tensors and settings; the methods gnn, relation and snail make such.
        """
        check_is_fitted(self)
        code = {name: number for number, name in enumerate(self.classes_.tolist())}
        answer = None
        if rows and hasattr(self, "label_distributions_"):
            codes, inductive = (
                np.array([code[one] for one in labels.tolist()], np.int64)
                for labels in (self.transduction_, self.inductive_labels_)
            )
            answer = RowsAnswer(self.label_distributions_, self.outlier_score_, codes, inductive)
        return Saved(
            type(self).__name__,
            self.method if isinstance(self.method, Method) else str(self.method),
            self.class_prior,
            self.classes_,
            self.n_features_in_,
            self.class_mix_,
            self.fell_back_,
            self.classifier_,
            answer,
            tuple(np.asarray(getattr(self, "feature_names_in_", ())).tolist()),
            self.batch_rows,
            self.is_table,
        ).write(path)

    @classmethod
    def load(cls: type[T], path: str | Path, *, device: str = "cpu") -> T:
        """Read what `save` wrote, or the ``run.safetensors`` of ``sibyl label``, as an instance of this class.

        Raises
        ------
        CheckpointError
            If the file is missing, damaged or holds something else.
        """
        saved = read_saved(path, device)
        if saved.classifier is None:
            raise CheckpointError(f"{path}: method {saved.method} ends in no classifier that a file can hold; fit again")
        loaded = cls(
            method=saved.method, class_prior=saved.class_prior, device=device, batch_rows=saved.batch_rows, is_table=saved.is_table
        )
        loaded.classes_, loaded.class_mix_, loaded.fell_back_ = saved.classes, saved.class_mix, saved.fell_back
        loaded.n_features_in_, loaded.device_, loaded.classifier_ = saved.n_features, device, saved.classifier
        if saved.feature_names:
            loaded.feature_names_in_ = np.array(saved.feature_names, dtype=object)
        if saved.answer is not None:
            loaded.label_distributions_, loaded.outlier_score_ = saved.answer.distributions, saved.answer.outlier_score
            loaded.transduction_ = saved.classes[saved.answer.codes]
            loaded.inductive_labels_ = saved.classes[saved.answer.inductive]
        return loaded

    def export(self, path: str | Path, encoder: str | Path | OnnxEncoder | None = None) -> None:
        """Write an ONNX model that labels new rows, or with an encoder, images.

        Input ``features`` float32 [batch, feature]; outputs ``probabilities`` [batch, class], ``outlier_score`` [batch] and ``label``
        [batch]. With `encoder` the input is ``pixels`` uint8 [batch, side, side, 3]: RGB images, resized and cut as the entry
        ``preprocessing`` of the metadata says. The metadata also name the classes, as a JSON list. The model is run by onnxruntime and
        must agree with this classifier to 1e-5 before it is written.

        Parameters
        ----------
        path : path
            Conventionally ends in ``.onnx``.
        encoder : path or OnnxEncoder, optional
            The encoder that made the features.

        Raises
        ------
        UserError
            If ONNX has no such operation (the method em_dirichlet), or the encoder's features are of another dimension.
        MissingExtra
            If onnx, onnxscript or onnxruntime is not installed.
        """
        check_is_fitted(self)
        network = OnnxEncoder(encoder) if isinstance(encoder, str | Path) else encoder
        if network is not None and network.dim != self.n_features_in_:
            raise UserError(
                f"{network.path}: gives {network.dim} feature columns, but the classifier was fitted on {self.n_features_in_}; give the "
                "encoder that made its features"
            )
        classifier = self.classifier_ if self.device_ == "cpu" else put_together(*take_apart(self.classifier_))
        columns = np.asarray(getattr(self, "feature_names_in_", ())).tolist()
        notes = {"method": self._method_name, "fell_back": self.fell_back_} | ({"columns": columns} if columns else {})
        model = classifier_model(classifier, self.n_features_in_, self.classes_, notes)
        if network is not None:
            whole = pixel_network(network)
            assert whole is not None  # an ONNX file always is
            model = join_encoder(whole, model)
        write_model(path, model)

    def card(self, repository: str) -> str:
        """Return the model card that goes with the classifier to the hub."""
        check_is_fitted(self)
        return model_card(
            kind=type(self).__name__,
            method=self._method_name,
            n_features=self.n_features_in_,
            classes=self.classes_.tolist(),
            class_mix=self.class_mix_.tolist(),
            fell_back=self.fell_back_,
            columns=np.asarray(getattr(self, "feature_names_in_", ())).tolist(),
            repository=repository,
        )

    @property
    def _method_name(self) -> str:
        return Path(self.method).name if isinstance(self.method, str | Path) else str(self.method.name)

    def generate_model_card(self, *_: object, repo_id: str = "USER/NAME", **__: object) -> ModelCard:
        """Return the card that is written beside the weights."""
        return ModelCard(self.card(repo_id))

    def push_to_hub(self, repo_id: str, **settings: Any) -> str:
        """Upload to the hub; the arguments are those of `huggingface_hub.ModelHubMixin.push_to_hub`."""
        settings["model_card_kwargs"] = {"repo_id": repo_id} | (settings.get("model_card_kwargs") or {})
        return super().push_to_hub(repo_id, **settings)

    def _save_pretrained(self, save_directory: Path) -> None:
        write_json(save_directory / CONFIG, self.save(save_directory / WEIGHTS, rows=False))

    @classmethod
    def from_pretrained(cls: type[T], pretrained_model_name_or_path: str | Path, **settings: Any) -> T:
        """Fetch from the hub, or read a folder that `save_pretrained` wrote.

        Parameters
        ----------
        pretrained_model_name_or_path : str or path
            A repository, ``user/name``, or a folder.
        **settings
            Those of `huggingface_hub.ModelHubMixin.from_pretrained` (``revision``, ``token``, ``cache_dir`` …), and ``device``.

        Raises
        ------
        DataError
            If the repository cannot be reached.
        CheckpointError
            If it holds something else.
        """
        try:
            return super().from_pretrained(pretrained_model_name_or_path, **settings)
        except (
            EntryNotFoundError,
            HfHubHTTPError,
            OSError,
            ValueError,
            TypeError,
            RecursionError,
        ) as error:  # its config may be anything
            reason = reason_of(error, 200)
            raise DataError(
                f"{pretrained_model_name_or_path}: cannot be fetched from the hub ({reason}); without network, give a folder that holds "
                "the repository's files"
            ) from None

    @classmethod
    def _from_pretrained(cls: type[T], *, model_id: str, device: str = "cpu", **download: Any) -> T:
        folder = Path(model_id)
        if folder.is_dir():
            return cls.load(folder / WEIGHTS, device=device)
        known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
        return cls.load(
            hf_hub_download(model_id, WEIGHTS, **{name: download[name] for name in known if name in download}), device=device
        )
