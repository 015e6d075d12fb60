"""Write the API reference from the docstrings: python docs/api_reference.py FOLDER (``make docs``)."""

import pkgutil
import sys
import warnings
from pathlib import Path

import pdoc

import sibyl


def main(folder: Path) -> None:
    """Render every public module of sibyl; a docstring that pdoc cannot read, or a name that does not resolve, is an error."""
    warnings.simplefilter("error", UserWarning)
    for name in sibyl.__all__:  # public names are imported when first used, and pdoc looks for what is there
        vars(sibyl)[name] = getattr(sibyl, name)
    warnings.filterwarnings("ignore", message=".*already been added")  # a room brings its modules along, unless it hides them
    warnings.filterwarnings(
        "ignore", message="Error parsing type annotation"
    )  # such as pd.Series[Any], which only type checkers know
    modules = ["sibyl", *(found.name for found in pkgutil.walk_packages(sibyl.__path__, "sibyl."))]
    pdoc.render.configure(docformat="numpy", show_source=False)
    pdoc.pdoc(*modules, output_directory=folder)
    sys.stdout.write(f"{len(modules)} modules, begin at {folder / 'sibyl.html'}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
