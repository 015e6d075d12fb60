"""Before a release: make README's links absolute, for the package index, and name the repository in pyproject.toml.

``python docs/absolute_links.py REPOSITORY TAG``, as in ``https://example.org/team/sibyl v0.1.0``. The links in the repository itself stay
relative, so that they work in every clone.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def absolute(text: str, repository: str, tag: str) -> str:
    """Return Markdown whose relative links point to files of a tag, pictures to their bytes."""
    repository = repository.rstrip("/")

    def point(match: re.Match[str]) -> str:
        before, target = match[1], match[2]
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        return f"{before}({repository}/{'raw' if before.startswith('!') else 'blob'}/{tag}/{target})"

    return re.sub(r"(!?\[[^\]]*\])\(([^)\s]+)\)", point, text)


def with_repository(text: str, repository: str) -> str:
    """Return pyproject.toml with the repository among its addresses."""
    repository = repository.rstrip("/")
    lines = f'Repository = "{repository}"\nIssues = "{repository}/issues"\nChangelog = "{repository}/blob/main/CHANGELOG.md"\n'
    return text.replace("[project.urls]\n", "[project.urls]\n" + lines, 1)


def main(repository: str, tag: str) -> None:
    """Change both files in place."""
    for name, change in (("README.md", absolute(_text("README.md"), repository, tag)), ("pyproject.toml", None)):
        (ROOT / name).write_text(
            with_repository(_text(name), repository) if change is None else change, encoding="utf-8", newline=""
        )


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
