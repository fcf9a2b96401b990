"""What a pull left out on purpose is not missing, is told each time, and hides nothing else."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from datahub.cli.left_out import left_out, note, shown
from datahub.errors_signing import ProofInvalid
from datahub.store.proofs import check_names
from datahub.store.signing import strict
from datahub.store.verify import LEFT_OUT, MANIFEST, SUMS, Manifest, verify_folder

FILES = {
    "a.parquet": "parquet",
    "a.csv": "csv",
    "a.original.csv": "original",
    "b-1.csv": "csv",
    "b-2.csv": "csv",
    "datapackage.json": None,
}


def digest(data):
    """SHA-256 of bytes, in hexadecimal."""
    return sha256(data).hexdigest()


@pytest.fixture
def folder(tmp_path):
    """A whole release of two resources."""
    listed = [
        {"path": name, "bytes": len(name), "sha256": digest(name.encode())}
        | ({"resource": name[0], "form": form} if form else {})
        for name, form in FILES.items()
    ]
    for name in FILES:
        (tmp_path / name).write_bytes(name.encode())
    data = json.dumps({"dataset": "a", "version": 1, "files": listed}).encode()
    (tmp_path / MANIFEST).write_bytes(data)
    sums = {file["path"]: file["sha256"] for file in listed} | {MANIFEST: digest(data)}
    (tmp_path / SUMS).write_text("".join(f"{value}  {name}\n" for name, value in sums.items()))
    return tmp_path


def manifest(folder):
    """The folder's manifest and its bytes."""
    data = (folder / MANIFEST).read_bytes()
    return strict(data, Manifest, place=MANIFEST, limit=1 << 20), data


def leave(folder, only):
    """Note what a pull of one form leaves out."""
    return note(folder, *manifest(folder), only, lambda path, data: path.write_bytes(data))


def drop(folder, *names):
    """Delete files."""
    for name in names:
        (folder / name).unlink()


def faults(folder):
    """Faults of a folder, as `datahub verify` finds them."""
    return [(fault.kind, fault.place) for fault in verify_folder(folder, left=left_out(folder))]


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ("csv", {"a.csv", "b-1.csv", "b-2.csv"}),
        ("original", {"a.original.csv"}),
        ("parquet", {"a.parquet"}),
        ("json", set()),
    ],
)
def test_one_form_is_that_form(folder, only, names):
    """Files of a form and all their parts come, with what describes them; an original is its own."""
    found, _ = manifest(folder)
    assert {file.path for file in found.wanted(only)} == names | {"datapackage.json"}
    assert found.forms == ("parquet", "csv", "original")


def test_a_manifest_of_old_has_endings():
    """Where no forms are written, the endings are the forms."""
    files = [{"path": f"a.{e}", "bytes": 1, "sha256": "0" * 64, "resource": "a"} for e in "xy"]
    data = json.dumps({"dataset": "a", "version": 1, "files": files}).encode()
    found = strict(data, Manifest, place=MANIFEST, limit=1 << 20)
    assert [file.path for file in found.wanted("y")] == ["a.y"]


def test_what_was_left_out_is_not_missing(folder):
    """Only what no pull wanted may be missing; with each further pull that is less."""
    left = ("a.parquet", "a.original.csv")
    drop(folder, *left)
    assert faults(folder) == [("missing", name) for name in left]
    assert leave(folder, "csv") == list(left)
    assert faults(folder) == []
    drop(folder, "b-2.csv")
    assert faults(folder) == [("missing", "b-2.csv")]
    assert leave(folder, "parquet") == ["a.original.csv"]  # though b-2.csv is not here either
    assert faults(folder) == [("missing", "a.parquet"), ("missing", "b-2.csv")]
    assert leave(folder, None) == []
    assert not (folder / LEFT_OUT).exists()


def test_what_is_here_is_checked(folder):
    """A file that was left out and is here after all counts as any other."""
    drop(folder, "a.csv")
    assert leave(folder, "parquet") == ["a.csv"]  # the others were here already
    (folder / "a.csv").write_bytes(b"x")
    assert faults(folder) == [("altered", "a.csv")]
    drop(folder, "a.csv")
    (folder / "a.csv").mkdir()
    assert faults(folder) == [("missing", "a.csv")]


def test_the_note_excuses_files_of_data_only(folder):
    """A note that was edited hides neither the manifest nor what describes the release."""
    names = [MANIFEST, "datapackage.json", SUMS, "a.csv"]
    text = json.dumps({"manifest_sha256": digest(manifest(folder)[1]), "files": names})
    (folder / LEFT_OUT).write_text(text)
    drop(folder, "datapackage.json", "a.csv")
    assert faults(folder) == [("missing", "datapackage.json")]


def test_a_note_of_another_release_excuses_nothing(folder):
    """A note that was copied from another version is not this one's."""
    drop(folder, "a.csv")
    text = json.dumps({"manifest_sha256": "0" * 64, "files": ["a.csv"]})
    (folder / LEFT_OUT).write_text(text)
    assert faults(folder) == [("missing", "a.csv")]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": ["a.csv"]}', "\0"])
def test_a_damaged_note_is_told_and_made_anew(folder, text):
    """A note that cannot be read is a fault, until the next pull."""
    drop(folder, "a.csv")
    (folder / LEFT_OUT).write_text(text)
    with pytest.raises(ProofInvalid, match="unreadable"):
        left_out(folder)
    assert leave(folder, "parquet") == ["a.csv"]
    assert faults(folder) == []


def test_in_a_data_folder_there_is_no_note(folder):
    """What a service holds is whole: there a note is one file too many, and excuses nothing."""
    drop(folder, "a.csv")
    leave(folder, "parquet")
    found = [(fault.kind, fault.place) for fault in verify_folder(folder)]
    assert found == [("missing", "a.csv"), ("extra", LEFT_OUT)]


def test_no_release_has_a_file_called_like_the_note():
    """A manifest cannot bring a note of its own."""
    files = [{"path": LEFT_OUT.upper(), "bytes": 1, "sha256": "0" * 64}]
    data = json.dumps({"dataset": "a", "version": 1, "files": files}).encode()
    with pytest.raises(ProofInvalid, match=r"\[name\]"):
        check_names(strict(data, Manifest, place=MANIFEST, limit=1 << 20))


def test_many_names_are_cut_short():
    """Of very many names the first ones are shown, and how many more there are."""
    assert shown(["a", "b"]) == "a, b"
    assert shown(map(str, range(20))).endswith("11 … (+8)")


# The commands -----------------------------------------------------------------------------


def test_pull_and_verify_of_one_form(server, tmp_path):
    """`pull --only` leaves a folder that verifies, and `verify` says what it did not check."""
    folder = tmp_path / "bus" / "1"
    server.cli("pull", "bus", "--to", tmp_path, "--only", "parquet", check=True)
    said = server.cli("verify", folder, check=True).stdout
    assert "not here, not checked: " in said
    assert "stops.csv" in said
    assert "everything" not in said
    done = server.cli("verify", folder, "--json", check=True)
    assert (json.loads(done.stdout), "stops.csv" in done.stderr) == ([], True)
    (folder / "stops.parquet").unlink()
    done = server.cli("verify", folder, "--json")
    (fault,) = json.loads(done.stdout)
    assert (done.returncode, fault["kind"], fault["place"]) == (1, "missing", "stops.parquet")


def test_a_form_that_there_is_not(server, tmp_path):
    """A form that a release does not have is refused with those that it has."""
    done = server.cli("pull", "bus", "--to", tmp_path, "--only", "pdf")
    assert done.returncode == 2
    assert "parquet, csv" in done.stderr
    assert not (tmp_path / "bus").exists()


def test_an_address_without_its_files(server):
    """Documents alone are not everything, and that is said."""
    said = server.cli("verify", f"{server.url}/d/bus/1", "--manifest-only", check=True).stdout
    assert "data files were not read" in said
    assert "everything" not in said
