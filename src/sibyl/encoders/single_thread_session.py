"""A network run by onnxruntime in the thread that calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Session = Any
"""``onnxruntime.InferenceSession``."""


def single_thread_session(model: bytes | Path) -> Session:
    """Load a network that starts no threads of its own.

    Items are prepared in one thread per core. A network that runs there, one item at a time, keeps
    all cores busy, and no thread of onnxruntime spins while it waits for work. The rows do not
    depend on what else is encoded at the same time.

    Parameters
    ----------
    model : bytes or path
        The network, whose checksum is known: nothing else should come here.
    """
    import onnxruntime

    from sibyl.threads import sleeping  # brings torch, which nobody needs who only lists encoders

    options = sleeping(onnxruntime.SessionOptions())
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    content = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
