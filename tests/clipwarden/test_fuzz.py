"""The fuzzer: what it makes is repeatable, what it looks for it finds, and today there is none."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from clipwarden.fuzz import trial
from clipwarden.fuzz.layout import read_layout
from clipwarden.fuzz.mutate import MAX_BYTES, mutate
from clipwarden.fuzz.run import FuzzReport, FuzzSettings, replay, run_fuzz
from clipwarden.fuzz.seeds import Seed, make_seeds
from clipwarden.fuzz.trial import Kind
from ingest.media import decoder
from tests.clipwarden.command import Product

FACTS = {
    "width": 2,
    "height": 2,
    "codec": "h264",
    "container": "mp4",
    "estimated_duration_us": None,
    "estimated_frames": None,
}
SUMMARY = {
    "duration_us": 1_000_000,
    "frames_shown": 2,
    "frames_sampled": 2,
    "decode_cpu_s": 0.1,
    "decode_wall_s": 0.1,
    "partial": False,
    "warnings": [],
}
PREAMBLE = f"""
import json, os, signal, sys, time
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from ingest.media import wire
request = wire.DecodeRequest.from_line(sys.stdin.buffer.readline())
out = sys.stdout.buffer
picture = bytes(wire.pixel_bytes(request.geometry))
facts, summary = {FACTS!r}, {SUMMARY!r}
def frame(pts_us):
    wire.write_frame(out, pts_us, [picture], b"\\xff\\xd8")
"""
ONE_SEED = [Seed("clip.mp4", b"the stand-in does not look")]

Plant = Callable[[str], None]


@pytest.fixture(scope="module")
def seeds() -> list[Seed]:
    return make_seeds()


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Put a program in the place of the decoding process."""

    def put(program: str) -> None:
        command = (sys.executable, "-P", "-c", PREAMBLE + program)
        monkeypatch.setattr(decoder, "CHILD_COMMAND", command)

    return put


def fuzz(keep: Path, cases: int, seeds: list[Seed] | None = None, jobs: int = 2) -> FuzzReport:
    settings = FuzzSettings(seed=0, jobs=jobs, keep=keep, cases=cases)
    return run_fuzz(settings, lambda done: None, seeds)


def test_a_hundred_files_of_a_fixed_seed_give_no_finding(tmp_path: Path) -> None:
    report = fuzz(tmp_path / "kept", 100)
    assert report.cases == 100
    assert report.findings == 0, report.kept
    assert set(report.outcomes) >= {Kind.DECODED, Kind.REFUSED}
    assert report.novel_files > 0


def test_seeds_are_the_same_in_every_run_and_cover_what_we_take(seeds: list[Seed]) -> None:
    assert make_seeds() == seeds
    endings = {seed.name.rpartition(".")[2] for seed in seeds}
    assert endings >= {"mp4", "mov", "mkv", "webm", "avi", "ts", "mpg", "gif", "png", "jpeg"}
    assert all(0 < len(seed.content) < 50_000 for seed in seeds)


def test_mutations_are_the_same_for_the_same_seed_and_change_the_file(seeds: list[Seed]) -> None:
    changed = 0
    for number, seed in enumerate(seeds * 3):
        first = mutate(seed.content, seeds[0].content, Random(number))
        assert first == mutate(seed.content, seeds[0].content, Random(number))
        assert len(first[0]) <= MAX_BYTES
        changed += first[0] != seed.content
    assert changed > 2.9 * len(seeds)


def test_mutations_of_mutations_never_fail(seeds: list[Seed]) -> None:
    rng = Random(1)
    for seed in seeds:
        content = seed.content
        for _ in range(12):
            content, names = mutate(content, rng.choice(seeds).content, rng)
            assert names


def test_the_layout_names_the_places_of_sizes(seeds: list[Seed]) -> None:
    by_name = {seed.name: seed.content for seed in seeds}
    mp4 = by_name["h264.mp4"]
    at = mp4.index(b"stsz")
    offsets = {field.offset: field for field in read_layout(mp4).fields}
    assert offsets[at - 4].width == 4, "the size of the box"
    assert at + 12 in offsets, "the number of samples"
    for name in ("h264.mkv", "mpeg4.avi", "h264.ts", "mpeg2.mpg", "animated.gif", "animated.png"):
        layout = read_layout(by_name[name])
        assert len(layout.elements) > 10, name
        size = len(by_name[name])
        assert all(field.offset + field.width <= size for field in layout.fields)
        assert all(0 <= start < end <= size for start, end in layout.elements)


def test_the_same_seed_gives_the_same_outcomes_with_one_thread_and_with_three(
    tmp_path: Path, seeds: list[Seed]
) -> None:
    few = [seed for seed in seeds if seed.name in {"still.gif", "fragmented.mp4", "sound.m4a"}]
    one = fuzz(tmp_path / "one", 40, few, jobs=1)
    three = fuzz(tmp_path / "three", 40, few, jobs=3)
    assert one.outcomes == three.outcomes
    assert one.novel_files == three.novel_files


GOOD_ANSWER = """
wire.write_json(out, wire.FACTS, facts)
frame(0)
frame(500_000)
wire.write_json(out, wire.SUMMARY, summary)
"""


def test_a_stand_in_that_keeps_the_contract_is_no_finding(tmp_path: Path, plant: Plant) -> None:
    plant(GOOD_ANSWER)
    report = fuzz(tmp_path / "kept", 3, ONE_SEED)
    assert report.outcomes == {Kind.DECODED: {"complete": 3}}
    assert report.kept == []
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("program", "label", "detail"),
    [
        (GOOD_ANSWER.replace("frame(0)", "frame(7)"), "contract", "first frame is at 7 us"),
        (GOOD_ANSWER.replace("500_000", "2_000_000"), "decoder failed", "before the last frame"),
        (GOOD_ANSWER.replace("frame(500_000)\n", ""), "decoder failed", "wrong count of frames"),
        (
            "wire.write_json(out, wire.FACTS, facts)\nwire.write_json(out, wire.SUMMARY, summary)",
            "decoder failed",
            "wrong count of frames",
        ),
        ("raise RuntimeError('planted')", "decoder failed", "RuntimeError: planted"),
        ("out.write(b'rubbish' * 10); out.flush()", "decoder failed", "nonsense"),
    ],
    ids=["late", "short", "count", "empty", "raises", "rubbish"],
)
def test_a_decoder_that_misbehaves_is_a_finding(
    tmp_path: Path, plant: Plant, program: str, label: str, detail: str
) -> None:
    plant(program)
    report = fuzz(tmp_path / "kept", 1, ONE_SEED)
    assert report.outcomes == {Kind.FINDING: {label: 1}}
    assert report.findings == 1
    assert detail in report.kept[0].detail


def test_a_decoder_that_dies_by_a_signal_is_counted_apart_and_its_file_is_kept(
    tmp_path: Path, plant: Plant
) -> None:
    plant("os.kill(os.getpid(), signal.SIGSEGV)")
    report = fuzz(tmp_path, 5, ONE_SEED)
    assert report.outcomes == {Kind.DIED: {"SIGSEGV": 5}}
    assert report.findings == 0
    assert len(report.kept) == 3, "no more of those that look alike"
    assert (tmp_path / report.kept[0].file).read_bytes() == ONE_SEED[0].content


def test_a_decoder_that_gets_past_its_limits_is_a_finding(
    tmp_path: Path, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "LONGEST_S", 1.0)
    plant(
        "wire.write_json(out, wire.FACTS, facts)\n"
        "while True:\n    wire.write_json(out, wire.TICK, {})\n    time.sleep(0.1)"
    )
    report = fuzz(tmp_path / "hangs", 1, ONE_SEED)
    assert report.outcomes == {Kind.FINDING: {"hang": 1}}


def test_a_decoder_with_more_memory_than_its_limit_is_a_finding(
    tmp_path: Path, plant: Plant
) -> None:
    plant("large = bytearray(1 << 30)\ntime.sleep(0.5)" + GOOD_ANSWER)
    report = fuzz(tmp_path / "grows", 1, ONE_SEED)
    assert report.outcomes == {Kind.FINDING: {"memory": 1}}


def test_a_process_and_a_file_left_behind_are_findings(tmp_path: Path, plant: Plant) -> None:
    plant(
        "import subprocess\n"
        "subprocess.Popen(['sleep', '8'], stdin=-3, stdout=-3, stderr=-3)" + GOOD_ANSWER
    )
    report = fuzz(tmp_path / "process", 1, ONE_SEED)
    assert report.outcomes == {Kind.FINDING: {"process left behind": 1}}
    plant("open(request.path + '.lock', 'w').close()" + GOOD_ANSWER)
    report = fuzz(tmp_path / "file", 1, ONE_SEED)
    assert report.outcomes == {Kind.FINDING: {"file left behind": 1}}
    assert "input.bin.lock" in report.kept[0].detail


def test_a_kept_file_is_replayed_as_it_was_decoded(tmp_path: Path, plant: Plant) -> None:
    plant("wire.write_json(out, wire.FACTS, facts)\nframe(3)")
    report = fuzz(tmp_path, 1, ONE_SEED)
    path = tmp_path / report.kept[0].file
    [(case, outcome)] = replay(path)
    assert (case.sampling.name, case.geometry.name) == (
        report.kept[0].sampling,
        report.kept[0].geometry,
    )
    assert outcome.kind == Kind.FINDING
    record = json.loads((tmp_path / "findings.jsonl").read_text())
    assert record["file"] == path.name
    assert record["parent"] == "clip.mp4"
    path.rename(tmp_path / "unknown.bin")
    assert len(replay(tmp_path / "unknown.bin")) == len(trial.SAMPLINGS)


def test_the_command_tells_what_it_did_and_replays_any_file(product: Product) -> None:
    done = product.run("fuzz", "--cases", "4", "--seed", "3", "--format", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["cases"] == 4
    assert report["findings"] == 0
    assert sum(sum(labels.values()) for labels in report["outcomes"].values()) == 4
    path = product.data.parent / "notes.bin"
    path.write_text("no video")
    done = product.run("fuzz", "--replay", path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("refused, media.unreadable") == len(trial.SAMPLINGS)
    missing = product.run("fuzz", "--replay", "nowhere.bin")
    assert missing.returncode == 1
    assert "error[media.not_found]" in missing.stderr


def test_any_other_exception_of_ours_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> None:
        raise ZeroDivisionError(path.name)

    monkeypatch.setattr(trial, "check_input", broken)
    report = fuzz(tmp_path, 2, ONE_SEED)
    assert report.outcomes == {Kind.FINDING: {"raised ZeroDivisionError": 2}}
