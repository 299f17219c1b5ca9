"""Which code a model came from, for its version in the registry."""

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_MAKES_MODELS = ("lambda/finetune", "training")
"""What decides how a model is trained and judged: the steps, and the project's container as this checkout builds it."""


@cache
def code_version() -> str:
    """The package's version, which says little between two releases, and a hash of the code itself."""
    return f"{version('pilotlight')}+{digest(_ROOT)}"


def digest(root: Path) -> str:
    """Twelve digits over the names and contents of the files of both folders, the same on every machine."""
    told = sha256()
    for path in sorted(path for folder in _MAKES_MODELS for path in (root / folder).rglob("*") if _is_code(path)):
        told.update(f"{path.relative_to(root).as_posix()}\0{sha256(path.read_bytes()).hexdigest()}\n".encode())
    return told.hexdigest()[:12]


def _is_code(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
