"""Leaving videos to a running installation, and fetching their results."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from clipwarden.intake import accept
from clipwarden.request import Request
from ingest.errors import MediaChanged, TokenReused
from ingest.media.spec import SamplingSpec
from ingest.stores import Stores
from ingest.tables import Media, Sampling, Submission
from prompts.loader import load_prompt_set
from tests.clips import BLUE, GREEN, RED, real_clip, write_scenes
from tests.clipwarden.command import CLIPWARDEN, Product
from tests.clipwarden.served import Served
from tests.encoders.tiny_models import clip_folder
from tests.sources.web import canary, content, raw, serving
from tests.worker.fake_encoder import FAKE_CARD
from worker.tables import Embedding

REQUEST = Request(
    model=FAKE_CARD,
    sampling=SamplingSpec.parse("fps:2"),
    prompt_sets=(load_prompt_set("standin"),),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for all tests of this module: each brings videos of its own."""
    service = Served(tmp_path_factory.mktemp("served") / "data")
    with service.serving():
        yield service


def comparable(document: Any) -> Any:
    """A result without what differs between two ways to the same."""
    video = {name: value for name, value in document["video"].items() if name != "id"}
    rest = {name: value for name, value in document.items() if name != "timings"}
    return rest | {"video": video | {"source": Path(video["source"]).name}}


def test_two_submits_of_one_file_at_once_sample_and_embed_it_once(
    service: Served, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "twice.mp4", [(RED, 6.0), (BLUE, 6.0)])
    before = {stage: service.frames(stage) for stage in ("sample", "embed")}
    words = ("submit", "--wait", "--sample", "fps:10", "--format", "json", clip)
    processes = [service.product.start(*words) for _ in range(2)]
    outcomes = []
    for process in processes:
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
        outcomes.append(json.loads(stdout))
    assert [one["status"] for one in outcomes] == ["done", "done"]
    assert outcomes[0]["id"] != outcomes[1]["id"]
    sha256 = outcomes[0]["media_sha256"]
    with service.stores() as stores, stores.database.read() as session:
        rows = {
            table: session.scalar(
                select(func.count()).select_from(table).where(table.media_sha256 == sha256)
            )
            for table in (Submission, Sampling, Embedding)
        }
    assert rows == {Submission: 2, Sampling: 1, Embedding: 2}
    after = {stage: service.frames(stage) for stage in ("sample", "embed")}
    assert {stage: after[stage] - before[stage] for stage in before} == {
        "sample": 120,
        "embed": 120,
    }
    documents = service.json("results", *(one["id"] for one in outcomes))
    assert comparable(documents[0]) == comparable(documents[1])


def test_results_are_those_of_analyze_and_the_file_need_not_stay(
    service: Served, product: Product, tmp_path: Path
) -> None:
    original = real_clip("carphone_pristine.mp4")
    clip = Path(shutil.copy(original, tmp_path))
    submission_id = service.submit("--prompts", "standin", clip)
    clip.unlink()
    [line] = service.run("results", "--wait", "--format", "jsonl", submission_id).splitlines()
    document = json.loads(line)
    assert document["video"]["id"] == submission_id
    assert comparable(document) == comparable(product.analyze("--prompts", "standin", original))
    shown = service.run("results", submission_id[:12])
    assert "suit" in shown
    service.run("results", submission_id, "--format", "json", "-o", tmp_path / "kept.json")
    assert json.loads((tmp_path / "kept.json").read_text()) == document


def test_the_same_token_gives_the_same_submission_and_says_so(
    service: Served, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "token.mp4", [(GREEN, 1.0)])
    first = service.json("submit", "--token", "upload-17", clip)
    again = service.json("submit", "--token", "upload-17", clip)
    assert (first["is_new"], again["is_new"]) == (True, False)
    assert first["id"] == again["id"]
    shown = service.run("submit", "--token", "upload-17", clip)
    assert shown.startswith(first["id"])
    assert shown.endswith("(submitted before)\n")
    line = service.error("submit", "--token", "upload-17", "--sample", "fps:1", clip)
    assert line.startswith("error[submission.token_reused]")


def test_a_token_is_for_one_file(service: Served, tmp_path: Path) -> None:
    done = service.product.run("submit", "--token", "t", tmp_path / "a", tmp_path / "b")
    assert done.returncode == 2
    assert "--token" in done.stderr


def test_bad_inputs_fail_alone(service: Served, tmp_path: Path) -> None:
    good = write_scenes(tmp_path / "good.mp4", [(RED, 1.0)])
    (tmp_path / "empty.mp4").touch()
    text = tmp_path / "text.mp4"
    text.write_text("this is no video\n" * 100)
    words = [tmp_path / "missing.mp4", tmp_path / "empty.mp4", good, text]
    done = service.product.run("submit", "--wait", *words)
    assert done.returncode == 3
    codes = [line.partition("]")[0] for line in done.stderr.splitlines()]
    assert codes == ["error[media.not_found", "error[media.empty"]
    # Only who decodes it sees what the fourth is.
    assert sorted(line.split()[1] for line in done.stdout.splitlines()) == [
        "done",
        "failed",
        "queued",
        "queued",
    ]
    assert "[media.unreadable]" in done.stdout
    outcomes = service.json("submit", *words, status=3)
    assert [one["error"] and one["error"]["code"] for one in outcomes] == [
        "media.not_found",
        "media.empty",
        None,
        None,
    ]


def test_a_model_that_nobody_holds_is_waited_for(service: Served, tmp_path: Path) -> None:
    folder = clip_folder(tmp_path / "tiny-clip")
    clip = write_scenes(tmp_path / "waits.mp4", [(RED, 1.0)])
    words = ("submit", "--model", folder, "--format", "json", clip)
    # Whoever will hold it decides on the precision, which is part of what is waited for.
    unsettled = service.product.run(*words)
    assert unsettled.returncode == 2
    assert "error[model.not_served]" in unsettled.stderr
    assert "--precision float32" in unsettled.stderr
    done = service.product.run(*words, "--precision", "bfloat16")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("warning: no process holds tiny-clip now")
    submission_id = json.loads(done.stdout)["id"]
    waiting = service.submission(submission_id)
    assert (waiting.status, waiting.model_served) == ("queued", False)
    assert "waits for a worker with tiny-clip" in service.run("status", submission_id)
    line = service.error("results", submission_id)
    assert line.startswith("error[submission.unfinished]")
    service.run("cancel", submission_id)


def test_a_file_in_place_is_not_copied_and_waits_for_its_host(
    service: Served, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "stays.mp4", [(RED, 1.5)])
    here = service.json("submit", "--wait", "--in-place", clip)
    assert here["status"] == "done"
    with service.stores() as stores, stores.database.read() as session:
        assert session.get_one(Media, ("default", here["media_sha256"])).blob_key is None
    words = ("submit", "--in-place", "--host-name", "Far.Away", "--sample", "fps:1", clip)
    done = service.product.run(*words)
    assert "warning: no sampling process is at work on this host (far-away)" in done.stderr
    service.run("cancel", done.stdout.split()[0])


def test_an_address_is_fetched_copied_and_analysed(service: Served, tmp_path: Path) -> None:
    clip = write_scenes(tmp_path / "web.mp4", [(RED, 2.0)])
    with serving() as site, canary() as port:
        site.pages["/v.mp4?key=s3cret"] = content(clip.read_bytes())
        site.pages["/none"] = raw(b"HTTP/1.1 404 Not Found\r\n\r\n")
        site.pages["/live.mp4"] = content(b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n")
        url = site.url("/v.mp4?key=s3cret", "me:pass@127.0.0.1")
        shown = site.url("/v.mp4?...")
        # Nothing that is fetched can stay in place.
        words = ("--allow-private", "--in-place", url, site.url("/live.mp4"), site.url("/none"))
        first, live, missing = service.json("submit", "--wait", *words, status=3)
        analysed = service.json("analyze", "--model", "starter", "--allow-private", url)
        refused = service.json("submit", f"http://127.0.0.1:{port}/x.mp4", "rtsp://cam/", status=3)
    assert (first["status"], first["source"]) == ("done", shown)
    assert (live["error"]["code"], missing["error"]["code"]) == (
        "source.live",
        "source.unavailable",
    )
    assert analysed["status"] == "done"
    assert analysed["video"]["source"] == shown
    assert [one["error"]["code"] for one in refused] == ["source.forbidden", "source.live"]
    by_hand = service.json("submit", "--wait", clip)
    assert by_hand["media_sha256"] == first["media_sha256"]
    assert "s3cret" not in json.dumps(service.json("results", first["id"]))


def test_what_is_piped_in_is_analysed(service: Served, tmp_path: Path) -> None:
    clip = write_scenes(tmp_path / "piped.mp4", [(GREEN, 1.0)])
    with clip.open("rb") as handle:
        done = subprocess.run(
            [CLIPWARDEN, "submit", "--wait", "--format", "json", "-"],
            stdin=handle,
            env=os.environ
            | service.product.environment
            | {"CLIPWARDEN_DATA": str(service.product.data)},
            capture_output=True,
            text=True,
        )
    outcome = json.loads(done.stdout)
    assert (outcome["status"], outcome["source"]) == ("done", "standard input")
    twice = service.product.run("submit", "-", "-")
    assert twice.returncode == 2


def test_a_folder_is_the_videos_in_it(service: Served, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    (folder / "below").mkdir(parents=True)
    write_scenes(folder / "b.mp4", [(RED, 1.0)])
    write_scenes(folder / "below" / "a.MKV", [(BLUE, 1.0)])
    (folder / "broken.mp4").write_text("this is no video\n" * 100)
    (folder / "b.srt").write_text("subtitles")
    (tmp_path / "empty").mkdir()
    unnamed = service.json("submit", "", status=3)
    assert unnamed["error"]["code"] == "media.not_found"
    done = service.product.run("submit", "--wait", "--format", "json", folder, tmp_path / "empty")
    assert done.returncode == 3
    assert "archive: 3 files to analyse; passed over" in done.stderr
    outcomes = json.loads(done.stdout)
    assert [Path(one["source"]).name for one in outcomes] == [
        "b.mp4",
        "a.MKV",
        "broken.mp4",
        "empty",
    ]
    assert [one["status"] for one in outcomes] == ["done", "done", "failed", "failed"]
    assert outcomes[3]["error"]["code"] == "media.is_folder"
    # A folder gives an array, however few there are in it.
    [one] = service.json("analyze", "--model", "starter", folder / "below")
    assert one["status"] == "done"


def test_a_watched_folder_gives_each_complete_file_once(service: Served, tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    clip = write_scenes(tmp_path / "made.mp4", [(RED, 1.0), (BLUE, 1.5)])
    data = clip.read_bytes()
    words = ("submit", "--watch", "--settle", "1", "--format", "json", folder)

    def watch() -> subprocess.Popen[str]:
        process = service.product.start(*words)
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Watching ")
        return process

    def told(process: subprocess.Popen[str]) -> Any:
        assert process.stdout is not None
        return json.loads(process.stdout.readline())

    def end(process: subprocess.Popen[str], how: signal.Signals) -> None:
        process.send_signal(how)
        stdout, _ = process.communicate(timeout=30)
        assert (process.returncode, stdout) == (130, "")

    process = watch()
    with (folder / "a.mp4").open("wb", buffering=0) as growing:
        for start in range(0, len(data), len(data) // 4 + 1):
            growing.write(data[start : start + len(data) // 4 + 1])
    first = told(process)
    (folder / "b.mp4").write_text("#EXTM3U\n")
    second = told(process)
    end(process, signal.SIGINT)
    assert (first["is_new"], first["source"]) == (True, str(folder / "a.mp4"))
    assert second["error"]["code"] == "source.live"
    again = watch()
    known = {one["source"]: one for one in (told(again), told(again))}
    end(again, signal.SIGTERM)
    # A restart finds the file, and the submission that it made before.
    assert known[first["source"]]["id"] == first["id"]
    assert known[first["source"]]["is_new"] is False
    for extra in (["--wait"], ["--token", "t"], [str(clip)]):
        assert service.product.run(*words, *extra).returncode == 2


def test_analyze_joins_the_service_and_starts_and_stops_nothing(
    service: Served, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "joined.mp4", [(RED, 2.0)])
    before = {process.pid for process in service.product.processes()}
    document = service.json("analyze", "--model", "starter", clip)
    assert document["status"] == "done"
    assert {process.pid for process in service.product.processes()} == before
    submission = service.submission(document["video"]["id"])
    assert (submission.priority, submission.status) == ("high", "done")
    assert submission.host is not None
    reports = [path.read_text() for path in service.folder.reports.iterdir()]
    assert any("joined.mp4" in text for text in reports)


def test_analyze_is_refused_a_model_that_the_service_does_not_hold(
    service: Served, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "refused.mp4", [(RED, 1.0)])
    for words in ([], ["--model", str(clip_folder(tmp_path / "tiny-clip"))]):
        line = service.error("analyze", *words, clip, status=2)
        assert line.startswith("error[model.not_served]")
        assert "holds starter" in line
        assert "--model starter" in line


@pytest.mark.parametrize("words", [["submit", "x.mp4"], ["status"], ["results", "0"], ["repair"]])
def test_without_a_service_there_is_one_clear_line(product: Product, words: list[str]) -> None:
    done = product.run(*words)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error[serve.not_running]")
    assert "clipwarden serve --data" in line
    assert not product.data.exists()


def test_a_file_that_changes_while_it_is_copied_leaves_no_copy_and_no_submission(
    stores: Stores, tmp_path: Path
) -> None:
    clip = write_scenes(tmp_path / "grows.mp4", [(RED, 1.0)])
    size_bytes = clip.stat().st_size
    read_bytes = 0

    def grow_after_hashing(count: int) -> None:
        nonlocal read_bytes
        read_bytes += count
        if read_bytes > size_bytes and clip.stat().st_size == size_bytes:
            with clip.open("ab") as handle:
                handle.write(b"more")

    with pytest.raises(MediaChanged, match=r"grows\.mp4.*changed while it was copied"):
        accept(stores, REQUEST, clip, grow_after_hashing)
    kept = tmp_path / "data" / "blobs" / "default"
    assert not [path for path in kept.rglob("*") if path.is_file()]
    with stores.database.read() as session:
        assert session.scalars(select(Submission.id)).all() == []
        # Announced before the copy, so that retention finds what a killed command leaves.
        assert session.scalars(select(Media.blob_key)).all() == [None]


def test_another_file_under_a_known_token_is_not_copied(stores: Stores, tmp_path: Path) -> None:
    request = Request(FAKE_CARD, REQUEST.sampling, REQUEST.prompt_sets, request_token="t")
    first = accept(stores, request, write_scenes(tmp_path / "a.mp4", [(RED, 1.0)]))
    with pytest.raises(TokenReused):
        accept(stores, request, write_scenes(tmp_path / "b.mp4", [(BLUE, 1.0)]))
    assert stores.blobs.children("default/media") == [first.work.media_sha256]
