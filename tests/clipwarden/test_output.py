"""Where results go, and that nothing which was computed is lost on the way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clipwarden.cli.file_names import file_names
from clipwarden.cli.output import (
    ResultFormat,
    Results,
    Target,
    prepare_report,
    writing_stdout,
)
from clipwarden.cli.progress import ProgressBars
from clipwarden.errors import OutputFailed
from tests.clips import RED, write_scenes
from tests.clipwarden.command import CLIPWARDEN, Product, wait_for
from tests.report.samples import make_video
from worker.document import ResultDocument


def documents(*sources: str) -> list[ResultDocument]:
    return [make_video(source=source).document for source in sources]


def long_clip(tmp_path: Path) -> Path:
    return write_scenes(tmp_path / "long.mp4", [(RED, 120)], fps=20, width=64, height=48)


def wait_until_it_works(product: Product) -> None:
    """Wait until the first frames are sampled: the inputs refused at once are finished then."""
    wait_for(lambda: list((product.data / "blobs").rglob("pixels/**/*.npz")))


def one_error(stderr: str, code: str) -> str:
    [line] = stderr.splitlines()
    assert line.startswith(f"error[{code}]: ")
    return line


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["a.mp4", "b.mp4"], ["a.json", "b.json"]),
        (["a.mp4", "a.mkv", "a-2.mp4"], ["a.json", "a-2.json", "a-2-2.json"]),
        (["a-2.mp4", "a.mp4", "x/a.mp4"], ["a-2.json", "a.json", "a-3.json"]),
        (["A.mp4", "a.mp4"], ["A.json", "a-2.json"]),
        (["\u00e9.mp4", "e\u0301.mp4"], ["\u00e9.json", "e\u0301-2.json"]),
        (["", "/"], ["result.json", "result-2.json"]),
    ],
)
def test_no_two_inputs_share_a_file(sources: list[str], names: list[str]) -> None:
    assert file_names(sources, ".json") == names


def test_a_long_name_is_cut_between_characters_and_stays_unique(tmp_path: Path) -> None:
    stem = "\u20ac" * 84  # 252 bytes
    names = file_names([f"{stem}.ts", f"{stem}.ps", f"{stem}.m"], ".jsonl")
    assert [len(name.encode()) <= 255 for name in names] == [True] * 3
    assert len(set(names)) == 3
    for name in names:
        (tmp_path / name).write_text("")
        assert set(name.removesuffix(".jsonl")) <= {*"\u20ac-23"}


def test_a_file_that_cant_be_written_loses_no_other(tmp_path: Path) -> None:
    for name in ("b.json", "c.json"):
        (tmp_path / name).mkdir()
    results = Results(ResultFormat.JSON, Target.prepare(str(tmp_path)), inputs=4)
    with pytest.raises(OutputFailed) as raised:
        results.finish(documents("a.mp4", "b.mp4", "c.mp4", "d.mp4"))
    assert raised.value.message.startswith("2 of 4 results are lost, the first: ")
    assert "b.json" in raised.value.message
    for name in ("a", "d"):
        text = (tmp_path / f"{name}.json").read_text()
        assert ResultDocument.model_validate_json(text).video.source == f"{name}.mp4"


@pytest.mark.parametrize("inputs", [1, 3])
def test_json_is_an_array_where_several_inputs_were_given(tmp_path: Path, inputs: int) -> None:
    file = tmp_path / "results.json"
    Results(ResultFormat.JSON, Target.prepare(str(file)), inputs).finish(documents("a.mp4"))
    assert isinstance(json.loads(file.read_text()), dict if inputs == 1 else list)


def test_a_run_that_finished_nothing_leaves_a_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text("yesterday's")
    Results(ResultFormat.JSON, Target.prepare(str(file)), inputs=2).finish([])
    assert file.read_text() == "yesterday's"


@pytest.mark.parametrize("name", ["out/", "."])
def test_a_report_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputFailed, match=r"--report .*report\.html"):
        prepare_report(name)


def test_a_name_too_long_for_the_disk_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(OutputFailed, match="--report"):
        prepare_report(str(tmp_path / ("x" * 300)))


def test_a_file_in_a_folder_of_others_may_be_written() -> None:
    assert Target.prepare("/dev/null") == Target(Path("/dev/null"), is_folder=False)


def test_results_on_stdout_stay_there_while_bars_are_drawn_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    results = Results(ResultFormat.JSONL, None, inputs=2)
    with ProgressBars(2, quiet=False) as bars:
        bars.starting()
        results.add(documents("a.mp4")[0])
    results.finish(documents("a.mp4"))
    captured = capsys.readouterr()
    assert captured.err
    [line] = captured.out.splitlines()
    assert json.loads(line)["video"]["source"] == "a.mp4"


def test_a_broken_pipe_is_passed_on_as_no_error_to_tell() -> None:
    with pytest.raises(BrokenPipeError), writing_stdout():
        raise BrokenPipeError


def test_a_report_folder_is_refused_before_any_work(product: Product, tmp_path: Path) -> None:
    done = product.run("analyze", "--model", "starter", "--report", f"{tmp_path}/", "x.mp4")
    assert (done.returncode, done.stdout) == (1, "")
    one_error(done.stderr, "output.failed")
    assert not product.data.exists()


def test_a_report_that_fails_loses_no_result(product: Product, tmp_path: Path) -> None:
    nowhere = tmp_path / "report.html"
    nowhere.symlink_to(tmp_path / "no-such-folder" / "report.html")
    good = write_scenes(tmp_path / "good.mp4", [(RED, 1.0)])
    words = ("analyze", "--model", "starter", "--format", "json", "--report", nowhere, "-o", "-")
    done = product.run(*words, good)
    assert json.loads(done.stdout)["status"] == "done"
    assert done.returncode == 1
    assert "report.html" in one_error(done.stderr, "output.failed")

    done = product.run(*words, tmp_path / "missing.mp4")
    assert json.loads(done.stdout)["status"] == "failed"
    assert done.returncode == 3
    one_error(done.stderr, "output.failed")


def test_an_interrupted_run_prints_what_is_finished_however_often_it_is_interrupted(
    product: Product, tmp_path: Path
) -> None:
    process = product.start(
        "analyze", "--model", "starter", "--format", "json", "--sample", "fps:20",
        tmp_path / "missing.mp4", long_clip(tmp_path),
    )  # fmt: skip
    wait_until_it_works(product)
    process.send_signal(signal.SIGINT)
    for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.02)
        process.send_signal(again)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == ""
    [document] = json.loads(stdout)
    assert document["error"]["code"] == "media.not_found"
    assert list(product.processes()) == []


def test_a_run_that_breaks_writes_what_is_finished_before_its_error(
    product: Product, tmp_path: Path
) -> None:
    process = product.start(
        "analyze", "--model", "starter", "--format", "json", "--sample", "fps:20",
        "-o", f"{tmp_path}/results/", tmp_path / "missing.mp4", long_clip(tmp_path),
    )  # fmt: skip
    wait_until_it_works(product)
    for one in product.processes():
        if "valkey" in one.name():
            one.kill()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    one_error(stderr, "queue.unavailable")
    [file] = (tmp_path / "results").iterdir()
    assert json.loads(file.read_text())["error"]["code"] == "media.not_found"


def shell(script: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", script, *words], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("before", "status"), [("trap '' HUP;", 0), ("", 130)])
def test_nohup_keeps_a_command_going_when_the_terminal_goes(before: str, status: int) -> None:
    hang_up_on_itself = (
        "import os, signal, sys, typer, clipwarden.main as product\n"
        "@product.app.command()\n"
        "def hang_up() -> None:\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "sys.argv = ['clipwarden', 'hang-up']\n"
        "product.main()\n"
    )
    done = shell(f'{before} exec "$0" -c "$1"', sys.executable, hang_up_on_itself)
    assert (done.returncode, done.stderr) == (status, "")


def test_a_closed_stdout_is_one_clear_error() -> None:
    done = shell('"$0" prompts list >&-', CLIPWARDEN)
    assert done.returncode == 1
    one_error(done.stderr, "output.failed")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/full")
@pytest.mark.parametrize("words", ["prompts list --format json", "prompts list", "--version"])
def test_a_full_disk_behind_stdout_is_one_clear_error(words: str) -> None:
    done = shell(f'"$0" {words} >/dev/full', CLIPWARDEN)
    assert done.returncode == 1
    assert "No space left" in one_error(done.stderr, "product.error")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/full")
@pytest.mark.parametrize("output_format", ["table", "json", "jsonl"])
def test_results_that_dont_fit_on_the_disk_are_an_output_error(
    product: Product, tmp_path: Path, output_format: str
) -> None:
    words = f"analyze --model starter --format {output_format} --no-report --data '{product.data}'"
    done = shell(f'"$0" {words} "$1" >/dev/full', CLIPWARDEN, tmp_path / "missing.mp4")
    assert done.returncode == 1
    one_error(done.stderr, "output.failed")


@pytest.mark.parametrize("output_format", ["table", "json", "jsonl"])
def test_a_reader_that_leaves_gets_no_traceback(
    product: Product, tmp_path: Path, output_format: str
) -> None:
    process = product.start(
        "analyze", "--model", "starter", "--format", output_format, tmp_path / "missing.mp4"
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    stderr = process.stderr.read()
    process.wait()
    process.stderr.close()
    assert "Traceback" not in stderr
    assert "Exception" not in stderr
    assert process.returncode == 1
    reports = list((product.data / "reports").iterdir())
    assert len(reports) == (0 if output_format == "jsonl" else 1)
