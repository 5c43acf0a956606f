"""The example's artifacts: each version on top of the one before, the same bytes every time."""

import hashlib
import io
import pathlib
import tarfile

import pytest
from examples.bookshop import build


def test_a_version_holds_what_came_before_and_its_own():
    first, second, third = (build.tree(version) for version in build.VERSIONS)
    assert set(first) < set(second) < set(third)
    assert "migrations/versions/0001_books.py" in first
    assert "migrations/versions/0002_reviews.py" in set(second) - set(first)
    assert first["bookshop/parts.py"] != second["bookshop/parts.py"] != third["bookshop/parts.py"]


def test_a_version_knows_its_number():
    assert [build.tree(version)["VERSION"] for version in build.VERSIONS] == [b"1.0.0\n", b"2.0.0\n", b"2.1.0\n"]


def test_only_2_1_0_changes_the_shape_of_cached_pages():
    def shapes(version: str) -> dict[str, bytes]:
        return {name: content for name, content in build.tree(version).items() if name.startswith("templates/pages/")}

    assert shapes("1.0.0") == shapes("2.0.0") != shapes("2.1.0")


def test_the_same_files_give_the_same_bytes_whatever_their_order():
    files = build.tree("2.1.0")
    assert build.pack(files) == build.pack(dict(reversed(files.items())))


def test_an_archive_holds_plain_files_with_relative_names():
    with tarfile.open(fileobj=io.BytesIO(build.pack(build.tree("2.1.0")))) as archive:
        members = archive.getmembers()
    assert all(member.isfile() and member.mode == 0o644 and not member.name.startswith(("/", "..")) for member in members)
    assert not [member.name for member in members if "__pycache__" in member.name]


def test_the_checksum_lies_beside_the_artifact_as_sha256sum_writes_it(tmp_path: pathlib.Path):
    artifact = build.build("2.0.0", tmp_path)
    digest, name = (tmp_path / "bookshop-2.0.0.tar.gz.sha256").read_text().split()
    assert (digest, name) == (hashlib.sha256(artifact.read_bytes()).hexdigest(), artifact.name)


def test_building_again_touches_nothing(tmp_path: pathlib.Path):
    before = build.build("1.0.0", tmp_path).stat()
    after = build.build("1.0.0", tmp_path).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_an_unknown_version_is_an_error_of_the_caller(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        build.main(["9.9.9", "--dist", str(tmp_path / "dist")])
    assert "There is no version 9.9.9" in capsys.readouterr().err
    assert not (tmp_path / "dist").exists()
