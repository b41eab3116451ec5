"""The physical steps of a pipeline, one operator per file."""

from __future__ import annotations

from sabot.operators.base import Operator
from sabot.operators.drop import DropOperator
from sabot.operators.filter import FilterOperator
from sabot.operators.flat_map import FlatMapOperator
from sabot.operators.map import MapOperator
from sabot.operators.rename import RenameOperator
from sabot.operators.select import SelectOperator
from sabot.operators.stateful import StatefulOperator
from sabot.operators.with_columns import WithColumnsOperator

__all__ = [
    "DropOperator",
    "FilterOperator",
    "FlatMapOperator",
    "MapOperator",
    "Operator",
    "RenameOperator",
    "SelectOperator",
    "StatefulOperator",
    "WithColumnsOperator",
]
