"""Build the documentation as a site that needs no network: python docs/build_site.py build/site (``make docs``).

README, guide, results and the API reference from the docstrings become pages. Links between files of the repository become links
between pages; a link that leads nowhere, or a page that loads anything from elsewhere, is an error.
"""

from __future__ import annotations

import json
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from urllib.parse import unquote, urlsplit

import sibyl

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)\[((?:[^\]\[]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
HIDDEN = re.compile(r"<!--.*?-->\n?", re.DOTALL)
ROOMS = {
    "Labelling": ("labeling.label", "labeling.run", "labeling.next_labels", "labeling.examples", "labeling.report"),
    "Estimators": ("estimators",),
    "Sources": ("sources",),
    "Encoders": ("encoders",),
    "Features and tasks": ("features", "tasks", "episodes", "class_mix", "datasets"),
    "Methods": ("methods",),
    "Training and comparison": ("training", "evaluation", "compare", "pretrained"),
    "Export and errors": ("export", "errors", "storage"),
}
"""Page of the API reference → modules, or rooms of modules, below ``sibyl``."""


def pages() -> dict[str, str]:
    """File in the repository → its place in the site."""
    found = {"README.md": "index.md", "CHANGELOG.md": "changes.md"}
    for path in sorted((ROOT / "docs").rglob("*")):
        if path.suffix in (".md", ".png"):
            found[path.relative_to(ROOT).as_posix()] = path.relative_to(ROOT / "docs").as_posix()
    for path in sorted((ROOT / "results").rglob("*")):
        if path.suffix in (".md", ".png"):
            found[path.relative_to(ROOT).as_posix()] = path.relative_to(ROOT).as_posix()
    found["docs/guide/README.md"] = "guide/index.md"
    return found


def with_links(text: str, file: str, place: str, known: dict[str, str]) -> str:
    """Let the links of a page lead to pages; a link to a file that is no page becomes its text."""

    def link(found: re.Match[str]) -> str:
        mark, words, target = found.groups()
        if urlsplit(target).scheme or target.startswith("#"):
            return found[0]
        path, _, anchor = target.partition("#")
        name = normpath(str(PurePosixPath(file).parent / path))
        if name not in known:
            if not (ROOT / name).exists():
                raise SystemExit(f"{file}: links to {target}, which does not exist")
            return str(words)
        leads = relpath(known[name], str(PurePosixPath(place).parent))
        return f"{mark}[{words}]({leads}{'#' + anchor if anchor else ''})"

    return LINK.sub(link, text)


def modules(name: str) -> Iterator[str]:
    """Yield a module, or the modules of a room, private ones left out."""
    whole = f"sibyl.{name}"
    path = ROOT / "src" / Path(*whole.split("."))
    if not path.is_dir():
        yield whole
        return
    for found in pkgutil.iter_modules([str(path)]):
        if not found.name.startswith("_"):
            yield from modules(f"{name}.{found.name}")


def reference(folder: Path) -> list[dict[str, str]]:
    """Write the pages of the API reference; mkdocstrings fills them."""
    folder.mkdir(parents=True)
    nav = [{"Public names": "reference/index.md"}]
    lines = ["# Public names", "", "What `import sibyl` offers.", ""]
    for name in sibyl.__all__:
        if name != "__version__":
            lines += [f"::: {_origin(name)}", ""]
    (folder / "index.md").write_text("\n".join(lines), encoding="utf-8")
    for title, names in ROOMS.items():
        file = title.lower().replace(" ", "-") + ".md"
        lines = [f"# {title}", ""]
        for name in names:
            for module in modules(name):
                lines += [f"::: {module}", ""]
        (folder / file).write_text("\n".join(lines), encoding="utf-8")
        nav.append({title: f"reference/{file}"})
    return nav


def _origin(name: str) -> str:
    """Return where a public name is defined: it is imported when first used, so its place in ``sibyl`` says nothing."""
    found = getattr(sibyl, name)
    module = getattr(found, "__module__", "sibyl")
    return f"{module}.{name}" if str(module).startswith("sibyl") else f"sibyl.{name}"


def settings(nav: list[dict[str, str]]) -> dict[str, object]:
    """Return the configuration: nothing is loaded from elsewhere."""
    guide = (
        "label-a-folder",
        "review",
        "encoders",
        "outliers",
        "prior-knowledge",
        "skew",
        "few-labels",
        "new-rows",
        "saving",
        "export",
        "research",
    )
    return {
        "site_name": "Sibyl",
        "site_description": "Label one item of each class, and let the rest teach",
        "docs_dir": "docs",
        "site_dir": "site",
        "use_directory_urls": False,
        "theme": {"name": "material", "font": False, "features": ["navigation.indexes", "toc.follow"]},
        "markdown_extensions": ["admonition", "attr_list", "tables", "toc", "pymdownx.highlight", "pymdownx.superfences"],
        "plugins": [
            "search",
            {
                "mkdocstrings": {
                    "handlers": {
                        "python": {
                            "paths": [str(ROOT / "src")],
                            "options": {
                                "docstring_style": "numpy",
                                "show_source": False,
                                "show_root_heading": True,
                                "show_root_full_path": True,
                                "heading_level": 2,
                                "separate_signature": True,
                            },
                        }
                    }
                }
            },
        ],
        "nav": [
            {"Home": "index.md"},
            {"Guide": ["guide/index.md", *(f"guide/{name}.md" for name in guide)]},
            {"Figures": ["figures.md", *(f"results/{path.name}" for path in sorted((ROOT / "results").glob("*.md")))]},
            {"API": nav},
            {"Developing": ["architecture.md", "add-a-method.md", "changes.md", "log.md"]},
        ],
    }


class _Page(HTMLParser):
    """The targets of a page, what it loads, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := values.get(name))}
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        elif tag == "link" and values.get("href") and values.get("rel") not in ("canonical", "prev", "next", "alternate"):
            self.loads.append(str(values["href"]))
        elif tag in ("script", "img", "iframe", "source") and values.get("src"):
            self.loads.append(str(values["src"]))


def faults(site: Path) -> list[str]:
    """Name the links that lead nowhere, and what is loaded from elsewhere."""
    read: dict[Path, _Page] = {}
    for path in sorted(site.rglob("*.html")):
        read[path.resolve()] = page = _Page()
        page.feed(path.read_text(encoding="utf-8"))
    found = []
    for path, page in read.items():
        if path.name == "404.html":  # its links start at the root of a server
            continue
        where = path.relative_to(site.resolve())
        found += [
            f"{where}: loads {one}" for one in page.loads if urlsplit(one).scheme in ("http", "https") or one.startswith("//")
        ]
        for target in [*page.links, *page.loads]:
            parts = urlsplit(target)
            if parts.scheme or target.startswith("//"):
                continue
            aim = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            aim = aim / "index.html" if aim.is_dir() else aim
            if not aim.is_file():
                found.append(f"{where}: links to {target}, which is not there")
            elif parts.fragment and aim in read and unquote(parts.fragment) not in read[aim].anchors | {"__skip"}:
                found.append(f"{where}: links to {target}, which has no such part")
    return sorted(set(found))


def main(site: Path) -> None:
    """Build into `site`; it appears when everything is right."""
    site = site.absolute()
    work = site.with_name(f"{site.name}.pages")
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(site, ignore_errors=True)
    stage, known = work / "docs", pages()
    for file, place in known.items():
        (stage / place).parent.mkdir(parents=True, exist_ok=True)
        if file.endswith(".md"):
            text = HIDDEN.sub("", (ROOT / file).read_text(encoding="utf-8"))
            (stage / place).write_text(with_links(text, file, place, known), encoding="utf-8")
        else:
            shutil.copyfile(ROOT / file, stage / place)
    nav = reference(stage / "reference")
    (work / "mkdocs.yml").write_text(json.dumps(settings(nav), indent=1), encoding="utf-8")  # JSON is YAML
    subprocess.run([sys.executable, "-m", "zensical", "build", "-f", str(work / "mkdocs.yml")], check=True)
    found = faults(work / "site")
    if found:
        raise SystemExit("\n".join([*found[:40], f"{len(found)} faults"]))
    (work / "site").rename(site)
    shutil.rmtree(work)
    sys.stdout.write(f"{sum(1 for _ in site.rglob('*.html'))} pages, begin at {site / 'index.html'}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
