"""The embedded cloud's folder: what goes with the cloud, and what is somebody else's."""

import json
from pathlib import Path

from pilotlight.local.cloud import Cloud


def test_down_removes_what_a_cloud_wrote_and_nothing_else(tmp_path: Path) -> None:
    """PILOTLIGHT_CLOUD_FOLDER may have been set to a home folder by somebody in a hurry."""
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "embedded-cloud").mkdir()
    (tmp_path / "local.json").write_text("{}")
    assert Cloud(tmp_path).down()
    assert {path.name for path in tmp_path.iterdir()} == {"thesis.txt", "tmp"}


def test_down_removes_its_own_folder(tmp_path: Path) -> None:
    folder = tmp_path / "pilot"
    (folder / "embedded-cloud" / "cdk.out").mkdir(parents=True)
    assert Cloud(folder).down()
    assert not folder.exists()
    assert not Cloud(folder).down()


def test_a_state_file_that_makes_no_sense_is_no_cloud(tmp_path: Path) -> None:
    for text in ("", "not json", "[]", "{}", json.dumps({"pid": 1})):
        (tmp_path / "local.json").write_text(text)
        assert Cloud(tmp_path).state() is None
