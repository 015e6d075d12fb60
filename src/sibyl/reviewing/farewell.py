"""What the terminal says of a review: what is labelled, where it lies, how to go on."""

from __future__ import annotations

import os
import shlex
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sibyl.labeling.file_names import TABLES
from sibyl.messages import counted, printable
from sibyl.reviewing.state import ASIDE, CONFIRMED, TAUGHT

if TYPE_CHECKING:
    from sibyl.reviewing.session import Session

_TABLE = TABLES[0]


def finished_words(session: Session) -> str:
    """Say what Finish has written."""
    return f"Finished: {_labelled(session)} The labels of all items are in {_shown(session.out / _TABLE)}."


def last_words(session: Session) -> str:
    """Say, at the end, what was labelled and how to go on."""
    go_on = f"Go on with: sibyl review {shlex.quote(_shown(session.out))}"
    if not session.state.marks:
        return f"\nNothing was labelled. {go_on}"
    table = session.out / _TABLE
    if _is_up_to_date(session, table):
        written = f"{_TABLE} there has the labels of all items."
    elif table.is_file():
        written = f"{_TABLE} there is older than the last of them: Finish in the page writes it anew."
    else:
        written = f"Finish in the page writes the labels of all items ({_TABLE})."
    return f"\n{_labelled(session)} Kept in {_shown(session.out)}. {written}\n{go_on}"


def _is_up_to_date(session: Session, table: Path) -> bool:
    if session.finished >= 0 or not table.is_file():
        return session.finished == session.journal.revision
    return table.stat().st_mtime >= datetime.fromisoformat(session.journal.events[-1]["at"]).timestamp()


def _labelled(session: Session) -> str:
    kinds = [mark.kind for mark in session.state.marks.values()]
    taught, confirmed, aside = (kinds.count(kind) for kind in (TAUGHT, CONFIRMED, ASIDE))
    of = f" of {len(session.names):,}" if session.ready else ""
    parts = [f"{taught:,} one by one", f"{confirmed:,} confirmed together"] if confirmed else []
    words = f"{counted(taught + confirmed, 'item')}{of} labelled by you" + (f" ({', '.join(parts)})" if parts else "")
    return words + (f", {aside:,} set aside." if aside else ".")


def _shown(path: Path) -> str:
    """Return a path as short as it can be typed from here."""
    beside = os.path.relpath(path)
    return printable(str(path) if beside.startswith("..") else beside)
