"""A tuned model that comes as an archive: what is in it is the model, and nothing of it gets out of its folder."""

import contextlib
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training import archive
from training.archive import NAME, RESERVE_BYTES, unpacked
from training.errors import InterruptedRun, TrainingError
from training.stop import Stop

Entry = tarfile.TarInfo


@pytest.fixture
def channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The channel `tuned`, in a place of its own, as its scratch space is."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    folder = tmp_path / "data" / "tuned"
    folder.mkdir(parents=True)
    return folder


def pack(channel: Path, *entries: tuple[Entry | str, bytes]) -> None:
    with tarfile.open(channel / NAME, "w:gz") as packed:
        for given, content in entries:
            entry = Entry(given) if isinstance(given, str) else given
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))


def entry(name: str, kind: bytes, target: str = "") -> Entry:
    made = Entry(name)
    made.type, made.linkname = kind, target
    return made


def opened(channel: Path, *, stop: Stop | None = None, free: int = 10 * RESERVE_BYTES) -> dict[str, bytes]:
    """The model's files, by name."""
    with unpacked(channel, stop or Stop(), say=lambda _: None, free_bytes=lambda _: free) as folder:
        assert folder.name == "tuned"
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def left(channel: Path) -> Callable[[], set[str]]:
    """What lies around the archive afterwards that was not there before."""

    def around() -> Iterator[str]:
        for path in channel.parents[1].rglob("*"):
            yield str(path.relative_to(channel.parents[1]))

    before = {*around(), f"data/tuned/{NAME}"}
    return lambda: {*around()} - before


def test_its_files_are_the_model_and_are_gone_afterwards(channel: Path, left: Callable[[], set[str]]) -> None:
    """As SageMaker packs them: `.` first, and `./` before each name."""
    pack(channel, (entry("./", tarfile.DIRTYPE), b""), ("./config.json", b"{}"), ("./pilotlight/training.json", b"[]"))
    assert opened(channel) == {"config.json": b"{}", "pilotlight/training.json": b"[]"}
    assert left() == set()


def test_a_folder_is_taken_as_it_is_whatever_else_lies_in_it(channel: Path) -> None:
    (channel / "config.json").write_bytes(b"{}")
    pack(channel, ("evil", b""))
    assert "evil" not in opened(channel)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (entry("../out", tarfile.REGTYPE), "cannot be unpacked"),
        (entry("a/../../../out", tarfile.REGTYPE), "cannot be unpacked"),
        (entry("link", tarfile.SYMTYPE, "/etc"), "holds link, a link or device"),
        (entry("link", tarfile.SYMTYPE, "config.json"), "holds link, a link or device"),
        (entry("hard", tarfile.LNKTYPE, "../../secret"), "holds hard, a link or device"),
        (entry("device", tarfile.CHRTYPE), "holds device, a link or device"),
        (entry("pipe", tarfile.FIFOTYPE), "holds pipe, a link or device"),
    ],
    ids=lambda value: value.name + value.linkname if isinstance(value, Entry) else "",
)
def test_what_leads_out_of_its_folder_is_refused(
    channel: Path, left: Callable[[], set[str]], bad: Entry, said: str
) -> None:
    pack(channel, ("config.json", b"{}"), (bad, b""))
    with pytest.raises(TrainingError, match=said):
        opened(channel)
    assert left() == set()


def test_an_absolute_name_stays_within(channel: Path, left: Callable[[], set[str]]) -> None:
    pack(channel, (f"{channel.parent}/out", b"x"))
    assert list(opened(channel).values()) == [b"x"]
    assert left() == set()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "a", "b", "", "/"]), min_size=1, max_size=6))
def test_no_name_leads_out(channel: Path, left: Callable[[], set[str]], parts: list[str]) -> None:
    pack(channel, ("/".join(parts) + "/file", b"x"))
    with contextlib.suppress(TrainingError):
        opened(channel)
    assert left() == set()


def test_it_is_unpacked_no_further_than_there_is_room(channel: Path, left: Callable[[], set[str]]) -> None:
    pack(channel, ("config.json", b"{}"), ("model.safetensors", bytes(5000)))
    with pytest.raises(TrainingError, match=r"model\.safetensors has 5000 bytes, and 4999 are left"):
        opened(channel, free=RESERVE_BYTES + 4999)
    assert left() == set()
    assert len(opened(channel, free=RESERVE_BYTES + 5000)) == 2


def test_no_model_has_so_many_files(channel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_ENTRIES", 3)
    pack(channel, *((f"{number}.json", b"") for number in range(4)))
    with pytest.raises(TrainingError, match="more than 3 files"):
        opened(channel)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08 nor this one"])
def test_what_is_no_archive_is_named(channel: Path, content: bytes) -> None:
    (channel / NAME).write_bytes(content)
    with pytest.raises(TrainingError, match=r"model\.tar\.gz in the channel tuned cannot be unpacked"):
        opened(channel)


def test_one_that_was_cut_off_is_named(channel: Path, left: Callable[[], set[str]]) -> None:
    pack(channel, ("weights", bytes(range(256)) * 400))
    whole = (channel / NAME).read_bytes()
    (channel / NAME).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingError, match="cannot be unpacked"):
        opened(channel)
    assert left() == set()


def test_who_is_asked_to_end_does(channel: Path) -> None:
    pack(channel, ("config.json", b"{}"))
    stop = Stop()
    stop.asked = True
    with pytest.raises(InterruptedRun):
        opened(channel, stop=stop)
