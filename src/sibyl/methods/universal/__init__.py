"""Universal SIB: one small network for any number of classes, shots and rows, any encoder and any class mix.

Read `rows` (features to one form), `viewpoint` (the local model), `first_look` (what describes a task), `gradient_network` (ξ), `graph`
and `neighbours` (what other rows say), `step` (what steers a step), `sums` (a pass over the rows), `posterior` (the bound) and
`universal` (the whole); the steps themselves are `sibyl.methods.sib.adaptation.adapt`.
"""

from sibyl.methods.universal.universal import UniversalSIB

__all__ = ["UniversalSIB"]
