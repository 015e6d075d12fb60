"""Universal SIB: one small network for any number of classes, shots and rows, any encoder and any class mix.

Read `rows` (features to one form), `viewpoint` (the local model), `first_look` (what describes a task), `gradient_network` (ξ), `graph`
and `neighbours` (what other rows say), `step` (what steers a step), `sums` and `passing` (a step: sums over slices, and from the sums
to the next class means), `posterior` (the bound) and `universal` (the whole).
"""

from sibyl.methods.universal.universal import UniversalSIB

__all__ = ["UniversalSIB"]
