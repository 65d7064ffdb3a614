"""What `status` tells, of submissions recorded on real stores without anybody at work."""

from __future__ import annotations

import io
import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clipwarden.cli.figures import span
from clipwarden.cli.status_view import overview_view
from clipwarden.intake import Accepted, accept
from clipwarden.overview import Selection, read_overview
from clipwarden.request import Request
from ingest.endings import fail
from ingest.errors import MediaUnreadable
from ingest.media.spec import SamplingSpec
from ingest.queue.gate import Gate
from ingest.queue.presence import ModelOnCard, Presence, State, announce_presence
from ingest.stores import Stores
from prompts.loader import load_prompt_set
from tests.clips import BLUE, GREEN, RED, write_scenes
from tests.clipwarden.command import Product
from tests.worker.fake_encoder import FAKE_CARD

Submit = Callable[[str], Accepted]

REQUEST = Request(
    model=FAKE_CARD,
    sampling=SamplingSpec.parse("fps:2"),
    prompt_sets=(load_prompt_set("standin"),),
)
COLOURS = {"red": RED, "green": GREEN, "blue": BLUE}


@pytest.fixture
def served_elsewhere(product: Product, stores: Stores, queue_server: str) -> Product:
    """A product whose queue server is named, as where another host serves it."""
    product.environment["REDIS_URL"] = queue_server
    return product


@pytest.fixture
def submit(stores: Stores, tmp_path: Path) -> Submit:
    """Submits a clip named after its colour."""

    def submit(colour: str) -> Accepted:
        clip = write_scenes(tmp_path / f"{colour}.mp4", [(COLOURS[colour], 1.0)])
        return accept(stores, REQUEST, clip)

    return submit


def announce(stores: Stores, role: str, **facts: Any) -> None:
    presence = Presence(
        name=f"here-{role}-1",
        role=role,
        host="here",
        pid=1,
        state=facts.pop("state", State.IDLE),
        jobs_done=3,
        rss_bytes=1,
        **facts,
    )
    announce_presence(stores.redis, presence)


def announce_everybody(stores: Stores) -> None:
    model = ModelOnCard(
        key=FAKE_CARD.key,
        id=FAKE_CARD.id,
        card=FAKE_CARD.to_json(),
        device="cuda:3",
        precision="bfloat16",
    )
    announce(stores, "sample", state=State.PAUSED, paused="blob.store_full")
    announce(stores, "embed", model=model)


def note_progress(stores: Stores, accepted: Accepted) -> None:
    gate = Gate(stores.redis, accepted.work)
    gate.expect(640)
    for chunk in range(3):
        gate.note_sampled(chunk, 64)
    gate.note_begun()
    gate.note_embedded(0, 64)


def fail_unreadable(stores: Stores, accepted: Accepted) -> None:
    error = MediaUnreadable(f"{accepted.source}: no video.", "Play it to see what it is.")
    fail(stores, accepted.work, accepted.submission_id, error)


def shown(stores: Stores, columns: int, *, with_summary: bool = True) -> str:
    buffer = io.StringIO()
    console = Console(file=buffer, width=columns, force_terminal=True, color_system=None)
    view = overview_view(read_overview(stores, Selection()), columns, with_summary=with_summary)
    console.print(view)
    return buffer.getvalue()


@pytest.mark.parametrize("columns", [40, 60, 120])
def test_every_fact_is_seen_on_any_terminal(stores: Stores, submit: Submit, columns: int) -> None:
    running, failed = submit("red"), submit("green")
    announce_everybody(stores)
    note_progress(stores, running)
    fail_unreadable(stores, failed)
    text = shown(stores, columns)
    assert max(map(len, text.splitlines())) <= columns
    # A column may fold a word: what was one line is one line again.
    unwrapped = re.sub(r"\s+", "", text)
    for fact in (
        "1 queued",
        "1 failed",
        "192 sampled, 64 of 640 embedded",
        "left",
        "paused: blob.store_full",
        f"{FAKE_CARD.id} on cuda:3",
        running.submission_id[:8],
        failed.submission_id[:8],
    ):
        assert fact.replace(" ", "") in unwrapped, fact
    if columns < 120:
        # Beside other columns a folded reason is not in one piece.
        assert "[media.unreadable]" in unwrapped
        assert "Playittoseewhatitis." in unwrapped


def test_a_wide_terminal_gets_a_table_and_a_narrow_one_lines(
    stores: Stores, submit: Submit
) -> None:
    submit("red")
    assert shown(stores, 120, with_summary=False).split()[:3] == ["id", "status", "video"]
    assert "id" not in shown(stores, 60, with_summary=False).split()


def test_json_has_everything_under_the_keys_that_the_help_names(
    served_elsewhere: Product, stores: Stores, submit: Submit
) -> None:
    running, failed = submit("red"), submit("green")
    announce_everybody(stores)
    note_progress(stores, running)
    fail_unreadable(stores, failed)
    done = served_elsewhere.run("status", "--format", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["schema"] == "clipwarden.status/1"
    assert told["counts"] == {"queued": 1, "done": 0, "partial": 0, "failed": 1, "cancelled": 0}
    assert told["queues"]["sample"] == {"waiting": 2, "running": 0, "scheduled": 0, "dead": 0}
    embed, sample = told["workers"]
    assert (embed["model"], embed["device"]) == (FAKE_CARD.id, "cuda:3")
    assert (sample["state"], sample["paused"]) == ("paused", "blob.store_full")
    newest, oldest = told["submissions"]
    assert (newest["id"], oldest["id"]) == (failed.submission_id, running.submission_id)
    assert newest["progress"] is None
    assert newest["error"] == {
        "code": "media.unreadable",
        "message": f"{failed.source}: no video.",
        "cure": "Play it to see what it is.",
    }
    progress = oldest["progress"]
    assert (progress["frames_sampled"], progress["frames_embedded"]) == (192, 64)
    assert progress["frames_estimated"] == 640
    assert progress["left_s"] == pytest.approx(576 / progress["frames_per_s"], rel=0.01)
    assert oldest["model_served"] is True
    named = set(re.findall(r"\w+", served_elsewhere.run("status", "--help").stdout))
    parts = [told, embed, newest, progress, newest["error"], told["queues"]["sample"]]
    assert not {key for part in parts for key in part} - named


def test_the_list_of_what_failed_has_code_and_reason(
    served_elsewhere: Product, stores: Stores, submit: Submit
) -> None:
    submit("red")
    failed = submit("green")
    fail_unreadable(stores, failed)
    lines = served_elsewhere.run("status", "--state", "failed").stdout.splitlines()
    [line] = [line for line in lines if line.startswith(failed.submission_id[:8])]
    assert line.endswith(
        f"[media.unreadable] {failed.source}: no video. Play it to see what it is."
    )
    assert not any("red.mp4" in line for line in lines)


def test_named_ones_are_told_alone_and_unknown_ones_are_an_error(
    served_elsewhere: Product, submit: Submit
) -> None:
    red = submit("red")
    submit("blue")
    done = served_elsewhere.run("status", red.submission_id[:10])
    assert "red.mp4" in done.stdout
    assert "blue.mp4" not in done.stdout
    unknown = served_elsewhere.run("status", "ffff")
    assert unknown.returncode == 1
    [line] = unknown.stderr.splitlines()
    assert line.startswith("error[submission.not_found]")


def test_a_watch_on_a_pipe_is_a_line_per_change_until_all_have_ended(
    served_elsewhere: Product, stores: Stores, submit: Submit
) -> None:
    red, green = submit("red"), submit("green")
    process = served_elsewhere.start("status", "--watch", "--format", "json")
    assert process.stdout is not None
    first = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert [one["id"] for one in first] == [red.submission_id, green.submission_id]
    assert {one["status"] for one in first} == {"queued"}
    Gate(stores.redis, red.work).note_sampled(0, 2)
    changed = json.loads(process.stdout.readline())
    assert (changed["id"], changed["progress"]["frames_sampled"]) == (red.submission_id, 2)
    for one in (red, green):
        fail_unreadable(stores, one)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert [json.loads(line)["status"] for line in stdout.splitlines()][-2:] == ["failed"] * 2


def test_an_interrupt_just_ends_a_watch(served_elsewhere: Product, submit: Submit) -> None:
    submit("red")
    process = served_elsewhere.start("status", "--watch")
    assert process.stdout is not None
    assert "red.mp4" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00")]
)
def test_times_left_are_minutes_or_hours(seconds: float, words: str) -> None:
    assert span(seconds) == words
