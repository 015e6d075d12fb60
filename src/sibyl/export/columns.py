"""One ONNX file from the columns of a table to labels: what was learned of the columns, and the classifier, joined."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from sibyl.export.onnx_model import check_outputs, libraries, opset_of, run_model
from sibyl.sources.cells import DATES
from sibyl.sources.fitted_columns import LIMIT, FittedColumns

NUMBERS, CATEGORIES = "numbers", "categories"
_ROWS = "columns/rows"  # the stroke keeps this part's edges apart from the classifier's
_PROBES = 16
_ML_OPSET = 3


def join_columns(columns: FittedColumns, head: Any) -> Any:
    """Put the scaling and encoding of a table's columns before a classifier.

    Parameters
    ----------
    columns : FittedColumns
        What was learned of the table.
    head : onnx.ModelProto
        Of `classifier_model`, for the features that the columns become.

    Returns
    -------
    onnx.ModelProto
        Inputs ``numbers`` float64 [batch, column], NaN where a value is missing, and ``categories`` string [batch, column], empty where
        missing; a table without the one or the other lacks that input. The metadata entries of the same names hold the columns in
        order, as JSON lists, and ``dates`` those among the numbers that are nanoseconds since 1970. Outputs as those of `head`.
    """
    libraries()
    import onnx.compose

    metadata = {entry.key: entry.value for entry in head.metadata_props}
    front = _front(onnx, columns, opset_of(head), head.ir_version)
    outputs = [one.name for one in head.graph.output]
    joined = onnx.compose.merge_models(front, head, [(_ROWS, "features")], outputs=outputs)
    names = {
        NUMBERS: [one.name for one in columns.numbers],
        CATEGORIES: [one.name for one in columns.categories],
        "dates": [one.name for one in columns.numbers if one.written == DATES],
    }
    onnx.helper.set_model_props(
        joined, metadata | {key: json.dumps(value, ensure_ascii=False) for key, value in names.items() if value}
    )
    joined.producer_name = "sibyl"
    onnx.checker.check_model(joined)
    _check(columns, head, joined)
    return joined


def _check(columns: FittedColumns, head: Any, joined: Any) -> None:
    """Hold the joined model against preparation and classifier one after the other, on values of every kind."""
    draw = np.random.default_rng(0)
    numbers = {one.name: one.mean + one.deviation * draw.normal(0, 4, _PROBES) for one in columns.numbers}
    for values in numbers.values():
        values[draw.random(_PROBES) < 0.2] = np.nan
    kinds = [(one.name, [*one.own, *one.rare, "", "\0unknown"]) for one in columns.categories]
    categories = {name: np.array(draw.choice(np.array(known), _PROBES), object) for name, known in kinds}
    inputs: dict[str, Any] = {}
    if numbers:
        inputs[NUMBERS] = np.stack(list(numbers.values()), 1)
    if categories:
        inputs[CATEGORIES] = np.stack(list(categories.values()), 1)
    check_outputs(joined, inputs, run_model(head, {"features": columns.rows(numbers, categories)}))


def _front(onnx: Any, columns: FittedColumns, opset: int, ir_version: int) -> Any:
    """Compute what `FittedColumns.rows` does."""
    helper, proto = onnx.helper, onnx.TensorProto
    nodes: list[Any] = []
    constants: list[Any] = []
    parts: list[str] = []
    inputs: list[Any] = []

    def constant(name: str, kind: int, values: list[Any], shape: list[int]) -> str:
        constants.append(helper.make_tensor(f"columns/{name}", kind, shape, values))
        return f"columns/{name}"

    def node(operation: str, takes: list[str], gives: str, **settings: Any) -> str:
        nodes.append(helper.make_node(operation, takes, [f"columns/{gives}"], **settings))
        return f"columns/{gives}"

    if columns.numbers:
        n = len(columns.numbers)
        inputs.append(helper.make_tensor_value_info(NUMBERS, proto.DOUBLE, ["batch", n]))
        median, mean, deviation = (
            constant(name, proto.DOUBLE, [getattr(one, name) for one in columns.numbers], [n])
            for name in ("median", "mean", "deviation")
        )
        low, high = (constant(name, proto.DOUBLE, [value], []) for name, value in (("low", -LIMIT), ("high", LIMIT)))
        absent = node("Or", [node("IsNaN", [NUMBERS], "is_nan"), node("IsInf", [NUMBERS], "is_inf")], "absent")
        centred = node("Sub", [node("Where", [absent, median, NUMBERS], "filled"), mean], "centred")
        cut = node("Clip", [node("Div", [centred, deviation], "scaled"), low, high], "cut")
        parts.append(node("Cast", [cut], "standardised", to=proto.FLOAT))
    if columns.categories:
        inputs.append(helper.make_tensor_value_info(CATEGORIES, proto.STRING, ["batch", len(columns.categories)]))
        one_float = constant("one", proto.FLOAT, [1.0], [])
        axis = constant("axis", proto.INT64, [1], [1])
        last = constant("last", proto.INT64, [-1], [1])
        for place, category in enumerate(columns.categories):
            at = constant(f"place/{place}", proto.INT64, [place], [])
            cells = node("Gather", [CATEGORIES, at], f"cells/{place}", axis=1)
            known = [*category.own] or ["\0none"]  # ONNX has no empty list of categories
            nodes.append(
                helper.make_node(
                    "OneHotEncoder", [cells], [f"columns/hits/{place}"], domain="ai.onnx.ml", cats_strings=known, zeros=1
                )
            )
            hits = f"columns/hits/{place}"
            if category.own:
                parts.append(hits)
            if category.rare:
                none_of_them = node(
                    "Sub", [one_float, node("ReduceMax", [hits, last], f"any/{place}", keepdims=0)], f"rest/{place}"
                )
                parts.append(node("Unsqueeze", [none_of_them, axis], f"rare/{place}"))
    nodes.append(helper.make_node("Concat", parts, [_ROWS], axis=1))
    graph = helper.make_graph(
        nodes,
        "sibyl",
        inputs,
        [helper.make_tensor_value_info(_ROWS, proto.FLOAT, ["batch", "feature"])],
        constants,
    )
    opsets = [helper.make_opsetid("", opset), *([helper.make_opsetid("ai.onnx.ml", _ML_OPSET)] if columns.categories else [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)
