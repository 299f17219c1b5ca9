"""A model that its training has left compressed, as SageMaker does unless told otherwise: unpacked for this job only.

Whoever started that training wrote the archive, so it is not trusted: nothing of it lands outside its folder, and it
is unpacked only as far as there is room.
"""

import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from training.errors import InterruptedRun, TrainingError
from training.stop import Stop

NAME = "model.tar.gz"
MOST_ENTRIES = 10_000
RESERVE_BYTES = 2**30
"""Of the disk: left to whatever else the job writes."""


def free_on_disk(folder: Path) -> int:
    """Bytes."""
    return shutil.disk_usage(folder).free


@contextmanager
def unpacked(
    channel: Path, stop: Stop, *, say: Callable[[str], None], free_bytes: Callable[[Path], int] = free_on_disk
) -> Iterator[Path]:
    """The folder of the model in `channel`: that itself, or where an archive lies there in the model's place, what is
    in that. It is unpacked below /tmp, which SageMaker puts on the job's volume and uploads nothing of, and gone after.

    Raises:
        TrainingError: the archive cannot be read, holds what a model has no use for, or does not fit.
        InterruptedRun: the process was asked to end.
    """
    archive = channel / NAME
    if not archive.is_file() or (channel / "config.json").is_file():
        yield channel
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / channel.name  # whose name stands in messages
        folder.mkdir()
        try:
            _unpack(archive, folder, stop, free_bytes)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as exc:
            raise TrainingError(f"{NAME} in the channel {channel.name} cannot be unpacked: {exc}.") from exc
        say(f"{NAME} in the channel {channel.name} is unpacked")
        yield folder


def _unpack(archive: Path, folder: Path, stop: Stop, free_bytes: Callable[[Path], int]) -> None:
    with tarfile.open(archive, "r:gz") as packed:
        for number, entry in enumerate(packed, start=1):
            if stop.asked:
                raise InterruptedRun
            if number > MOST_ENTRIES:
                raise TrainingError(f"{NAME} holds more than {MOST_ENTRIES} files and folders: no model does.")
            if not (entry.isreg() or entry.isdir()):  # links have led out of the folder, whatever the filter was
                raise TrainingError(f"{NAME} holds {entry.name}, a link or device: allowed are files and folders.")
            room = free_bytes(folder) - RESERVE_BYTES
            if entry.size > room:
                raise TrainingError(
                    f"{NAME} does not fit on the job's volume: {entry.name} has {entry.size} bytes, and {max(room, 0)}"
                    " are left for it. Name an instance type with a larger disk, or train with CompressionType NONE."
                )
            packed.extract(entry, folder, filter="data")
