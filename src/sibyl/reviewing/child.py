"""The process that holds the features and solves; the page's server talks to it through its standard input and output.

A process and not a thread: it can be killed and started again, it has a lower priority than the page, and serving needs no torch.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from sibyl.errors import SibylError
from sibyl.reviewing import pile as piles
from sibyl.reviewing.frames import Arrays, pack, read
from sibyl.reviewing.pile import Opening, Pile
from sibyl.reviewing.showing import shown

CANDIDATES = 9  # likeliest classes of each item that are told
_SUGGESTED = 60
_FIRST = 96  # items that stand for the pile, more than anyone names before the queue begins
_NOTHING = 65535


class Child:
    """Requests in, answers out. Solves run one at a time, the newest wins; what takes a moment is answered beside them."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self._requests, self._answers = requests, answers
        self._sending = threading.Lock()
        self._jobs: deque[dict[str, Any]] = deque()
        self._waiting = threading.Condition()
        self._pile: Pile | None = None
        self._unit: npt.NDArray[np.float32] | None = None
        self._outlier: npt.NDArray[np.float32] | None = None
        self._labels: npt.NDArray[np.int64] | None = None
        self._is_back = False

    @property
    def pile(self) -> Pile:
        """The opened pile."""
        assert self._pile is not None
        return self._pile

    def run(self) -> None:
        """Answer until the server goes."""
        threading.Thread(target=self._work, daemon=True).start()
        while (message := read(self._requests)) is not None:
            request, arrays = message
            request |= arrays
            if request["do"] in ("similar", "spread") and self._pile is not None:
                self._answered(request)
            elif request["do"] == "places":
                threading.Thread(target=self._answered, args=(request,), daemon=True).start()
            else:
                with self._waiting:
                    if request["do"] == "solve":  # what a later one knows, an earlier one need not find
                        self._jobs = deque(job for job in self._jobs if job["do"] != "solve")
                    self._jobs.append(request)
                    self._waiting.notify()

    def _work(self) -> None:
        while True:
            with self._waiting:
                while not self._jobs:
                    self._waiting.wait()
                job = self._jobs.popleft()
            self._answered(job)

    def _answered(self, request: dict[str, Any]) -> None:
        number = request.get("number")
        try:
            message, arrays = getattr(self, f"_do_{request['do']}")(request)
        except SibylError as error:
            self._send({"of": "refused", "number": number, "do": request["do"], "words": str(error)})
        except Exception as error:
            traceback.print_exc()
            words = f"something went wrong inside sibyl ({type(error).__name__}); the terminal has the details"
            self._send({"of": "refused", "number": number, "do": request["do"], "words": words})
        else:
            self._send({**message, "number": number}, arrays)

    def _send(self, message: Mapping[str, Any], arrays: Arrays | None = None) -> None:
        with self._sending, suppress(BrokenPipeError):
            self._answers.write(pack(message, arrays))
            self._answers.flush()

    def _do_open(self, request: dict[str, Any]) -> tuple[dict[str, Any], Arrays]:
        from sibyl.labeling.first_items import first_items

        told = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told > 0.2:
                told = time.monotonic()
                self._send({"of": "progress", "stage": "reading the items", "done": done, "total": total})

        self._pile = pile = piles.open_pile(Opening(**request["opening"]), progress)
        message = {
            "of": "opened",
            "opening": pile.opening.plain(),
            "modality": pile.source.modality,
            "root": str(pile.source.root),
            "names": list(pile.names),
            "skipped": pile.skipped,
            "given": dict(pile.given),
            "offered": dict(pile.offered),
            "offered_by": pile.offered_by,
            "encoder": pile.encoder,
            "notes": list(pile.notes),
            "shown": shown(pile),
        }
        first = first_items(pile.matrix, min(_FIRST, len(pile.names))) if len(pile.names) else np.zeros(0, np.int64)
        return message, {"first": first.astype("<u4")}

    def _do_solve(self, request: dict[str, Any]) -> tuple[dict[str, Any], Arrays]:
        from sibyl.labeling.novelty import excess
        from sibyl.labeling.suggest import suggest
        from sibyl.labeling.table import two_best
        from sibyl.reviewing.teaching import examples_of

        started, pile = time.perf_counter(), self.pile
        self._step_back()
        examples = examples_of(pile.names, pile.matrix, request["taught"], request["confirmed"])
        solved, rows = piles.solve(pile, examples, request["aside"])
        classes = sorted(set(examples.values()))
        place = {name: number for number, name in enumerate(classes)}
        n, few = len(pile.names), min(CANDIDATES, len(classes))
        likely = np.full((n, few), _NOTHING, "<u2")
        chance = np.zeros((n, few), np.float32)
        outlier = np.zeros(n, np.float32)
        alone = np.full(n, _NOTHING, "<u2")
        solution = solved.solution
        if len(rows):
            best, order = solution.logits[0].softmax(-1).topk(few, dim=-1)
            likely[rows], chance[rows] = order.numpy(), best.numpy()
            inductive = solution.logits if solution.inductive_logits is None else solution.inductive_logits
            alone[rows] = inductive[0].argmax(-1).numpy()
            first = two_best(solution)[1][:, 0]
            if solution.outlier_score is not None:
                outlier[rows] = excess(solution.outlier_score[0].numpy(), first)
            self._labels = np.full(n, -1, np.int64)
            self._labels[rows] = first
            self._labels[[row for row, name in enumerate(pile.names) if name in examples]] = [
                place[examples[name]] for name in pile.names if name in examples
            ]
            self._outlier = outlier
        suggested = suggest(solved.task, solution, _SUGGESTED)
        message = {
            "of": "solved",
            "revision": request["revision"],
            "classes": classes,
            "teaching": [name for name in examples if name not in request["taught"]],
            "suggested": [
                [int(rows[one.row]), round(one.value, 4), classes[one.first], second, one.may_be_new]
                for one in suggested
                for second in [classes[one.second] if one.is_doubtful else ""]
            ],
            "fell_back": solved.fell_back,
            "seconds": time.perf_counter() - started,
        }
        arrays = {"likely": likely, "chance": chance, "outlier": outlier, "alone": alone}
        return message, arrays

    def _step_back(self) -> None:
        """Solve with a lower priority than the page is served with; opening the pile, for which a person waits, is not held back."""
        if not self._is_back:
            self._is_back = True
            with suppress(OSError, AttributeError):
                os.nice(5)  # on Linux, of this thread and those that it starts

    def _do_similar(self, request: dict[str, Any]) -> tuple[dict[str, Any], Arrays]:
        unit = self._directions()
        wanted = unit[request["rows"]].mean(0)
        likeness = unit @ (wanted / max(float(np.linalg.norm(wanted)), 1e-12))
        near = np.argsort(-likeness, kind="stable")[: request["n"]]
        return {"of": "similar"}, {"rows": near.astype("<u4"), "likeness": likeness[near].astype("<f4")}

    def _do_spread(self, request: dict[str, Any]) -> tuple[dict[str, Any], Arrays]:
        from sibyl.labeling.first_items import first_items

        rows = np.asarray(request["rows"])
        return {"of": "spread"}, {"rows": rows[first_items(self.pile.matrix[rows], request["n"])].astype("<u4")}

    def _do_heaps(self, request: dict[str, Any]) -> tuple[dict[str, Any], Arrays]:
        from sibyl.reviewing.heaps import heaps

        if self._outlier is None or self._labels is None:
            return {"of": "heaps", "heaps": []}, {}
        left = np.ones(len(self.pile.names), bool)
        left[request["human"]] = False
        return {"of": "heaps", "heaps": heaps(self._directions(), self._outlier, self._labels, left)}, {}

    def _do_places(self, request: dict[str, Any]) -> tuple[dict[str, Any], Arrays]:
        from sibyl.reviewing.places import places

        return {"of": "places"}, {"places": places(self.pile.matrix, self._directions(), self.pile.opening.cache)}

    def _do_finish(self, request: dict[str, Any]) -> tuple[dict[str, Any], Arrays]:
        from sibyl.reviewing.teaching import examples_of

        examples = examples_of(self.pile.names, self.pile.matrix, request["taught"], request["confirmed"])
        labelling = piles.labelling_of(self.pile, examples, request["confirmed"], request["aside"])
        return {"of": "finished", "written": piles.finish(labelling, self.pile, request["formats"])}, {}

    def _directions(self) -> npt.NDArray[np.float32]:
        """Return the rows seen from their mean, of unit length: where features share a direction, cosines alone tell little."""
        if self._unit is None:
            centred = self.pile.matrix - self.pile.matrix.mean(0, dtype=np.float64).astype(np.float32)
            centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
            self._unit = centred
        return self._unit


def main() -> None:
    """Run on the standard input and output; whatever else is printed goes to the standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches both processes; the server ends this one
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    Child(sys.stdin.buffer, answers).run()
    os._exit(0)  # the server is gone; a solve that runs on would end in a crash of its threads


if __name__ == "__main__":
    main()
