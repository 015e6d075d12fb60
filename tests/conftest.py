"""Shape checks for every annotated function while testing."""

import pandas as pd
from jaxtyping import install_import_hook

if not hasattr(pd.Series, "__class_getitem__"):  # pandas before 3; annotations are evaluated by this hook alone
    pd.Series.__class_getitem__ = classmethod(lambda kind, _: kind)  # type: ignore[attr-defined]

hook = install_import_hook("sibyl", "beartype.beartype")

import torch  # noqa: E402

# Small tensors: a second thread costs more than it brings, most of all when tests run side by side.
torch.set_num_threads(1)
