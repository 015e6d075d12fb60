"""Universal SIB: one small network for any number of classes, shots and rows, any encoder and any class mix.

Read the class docstring of `UniversalSIB` first: it holds the whole update. Then

1. rows and class means: `rows` (the power transform; the rest of the file cuts rows into slices), `viewpoint` (cosines);
2. before the steps: `task_descriptors`, `landmarks`, `neighbours`, `graph`, `sparse_graph`;
3. one step: `control` (its numbers), `gradient_network` (δ, ω; `compiled` is the same as machine code), `statistics` and `step`
   (sums over slices, and from the sums to the next class means);
4. all steps: `adaptation`, with `balance` where the class mix is given; `universal` is the method;
5. after the steps: `classifier`, `outlier_refinement`, `blend` (piles);
6. training: `posterior`, `objective`.
"""

from sibyl.methods.universal.universal import UniversalSIB

__all__ = ["UniversalSIB"]
