"""The published system: Synthetic Information Bottleneck (Hu et al., ICLR 2020), in short files.

Read them in this order, beside the paper: `init_network` (λ), `gradient_network` (φ), `adaptation` (K steps), `span` (the same steps,
cheaper to train through), `objective` (the bound and the prior), `sib` (the whole). `compiled` is
speed alone: the same steps as machine code.
"""

from sibyl.methods.sib.adaptation import adapt
from sibyl.methods.sib.sib import SIB

__all__ = ["SIB", "adapt"]
