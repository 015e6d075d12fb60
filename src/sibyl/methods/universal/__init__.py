"""Universal SIB: one small network for any number of classes, shots and rows, any encoder and any class mix.

Read the class docstring of `UniversalSIB` first: it holds the whole update. Then

1. what a row and a class mean are: `rows` (the power transform; the rest of the file cuts rows into slices), `viewpoint` (cosines);
2. the step: `control` (the control network's numbers), `gradient_network` (δ, ω), `statistics` and `step` (sums over slices, and from
   the sums to the next class means);
3. what comes before the steps: `task_descriptors`, `landmarks`, `neighbours`, `graph`, `sparse_graph` (what other
   rows say);
4. the whole: `universal`, with `balance` where the class mix is given;
5. what comes after: `classifier`, `outlier_refinement`, `blend` (piles);
6. training: `posterior`, `objective`.
"""

from sibyl.methods.universal.universal import UniversalSIB

__all__ = ["UniversalSIB"]
