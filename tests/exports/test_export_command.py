"""`clipwarden export` on result files, and the same formats of `analyze` and `results`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet
import pytest
import srt
import typer
from typer.testing import CliRunner, Result

from clipwarden.cli.export import export
from clipwarden.cli.output import ResultFormat, Results
from clipwarden.errors import ExportImpossible, FrameRateUnknown, OutputFailed
from prompts.actions import Action
from prompts.errors import ClipwardenError
from prompts.loader import load_prompt_set
from tests.exports.samples import SEGMENTS, document, failed, segment
from worker.document import FlagReason, ResultDocument

ALL_FORMATS = ["json", "jsonl", "csv", "parquet", "vtt", "srt", "edl", "fcpxml", "otio"]
ONE_VIDEO = ["vtt", "srt", "edl", "fcpxml", "otio"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A file with two results."""
    path = tmp_path / "results.jsonl"
    two = [document(), document(SEGMENTS[:1], source="b.mp4")]
    path.write_text("".join(f"{one.to_json()}\n" for one in two))
    return path


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A file with one result."""
    path = tmp_path / "result.json"
    path.write_text(document().to_json(indent=2))
    return path


def run(*words: str | Path, status: int = 0) -> Result:
    """Run the command, which must end with that status; an error of ours is passed on."""
    app = typer.Typer()
    app.command()(export)
    done = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(done.exception, ClipwardenError):
        raise done.exception
    assert done.exit_code == status, done.output
    return done


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_every_format_goes_to_a_file_a_folder_and_stdout(
    tmp_path: Path, result: Path, name: str
) -> None:
    run("--format", name, "--output", tmp_path / "out", result)
    content = (tmp_path / "out").read_bytes()
    run("--format", name, "--output", f"{tmp_path}/folder/", result)
    [file] = (tmp_path / "folder").iterdir()
    assert file.name == f"My clip.{name}"
    assert file.read_bytes() == content
    assert run("--format", name, "--output", "-", result).stdout_bytes == content
    assert b"violence" in content


def test_tables_take_all_results_in_one_file(tmp_path: Path, results: Path, result: Path) -> None:
    run("-f", "csv", "-o", tmp_path / "all.csv", results, result)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "all.csv").read_text())))
    assert [row["source"] for row in rows].count("b.mp4") == 1
    assert len(rows) == 9
    run("-f", "parquet", "-o", tmp_path / "all.parquet", results, result)
    assert pyarrow.parquet.read_table(tmp_path / "all.parquet").num_rows == 9


@pytest.mark.parametrize("name", ONE_VIDEO)
@pytest.mark.parametrize("output", ["-", "one"])
def test_several_videos_dont_fit_in_one_subtitle_or_cut_list(
    tmp_path: Path, results: Path, name: str, output: str
) -> None:
    where = output if output == "-" else str(tmp_path / output)
    done = run("-f", name, "-o", where, results, status=2)
    assert "describes one video" in done.stderr
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize("name", ONE_VIDEO)
def test_a_folder_gets_a_file_per_video(tmp_path: Path, results: Path, name: str) -> None:
    run("-f", name, "-o", f"{tmp_path}/out/", results)
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {f"My clip.{name}", f"b.{name}"}


def test_labels_and_confidence_choose_segments(result: Path) -> None:
    words = ("--label", "violence", "--min-confidence", "0.9")
    done = run("-f", "srt", "-o", "-", *words, result)
    [cue] = srt.parse(done.stdout)
    assert cue.content == "violence.blood 0.93 block"
    done = run("-f", "json", "-o", "-", *words, result)
    assert [one["label"] for one in json.loads(done.stdout)["segments"]] == ["violence.blood"]


def test_reasons_name_the_segments_that_are_left_by_their_new_places(tmp_path: Path) -> None:
    whole = document()
    reason = FlagReason(
        prompt_set="moderation",
        rule="bad",
        wording="any segment",
        labels=("violence", "nudity"),
        segments=(0, 1, 2),
        total_ms=7766,
        nsfw=True,
        action=Action.BLOCK,
    )
    flags = whole.flags.model_copy(update={"reasons": (reason,)})
    (tmp_path / "r.json").write_text(whole.model_copy(update={"flags": flags}).to_json())
    done = run("-f", "json", "-o", "-", "--label", "nudity", tmp_path / "r.json")
    found = ResultDocument.model_validate_json(done.stdout)
    assert [one.label for one in found.segments] == ["nudity"]
    assert found.flags == flags.model_copy(
        update={"reasons": (reason.model_copy(update={"segments": (0,)}),)}
    )


def test_a_label_that_is_none_is_an_error_that_names_those_there_are(tmp_path: Path) -> None:
    moderation = load_prompt_set("moderation")
    fields = json.loads(document().to_json())
    fields["prompt_sets"][0]["sha256"] = moderation.sha256
    (tmp_path / "known.json").write_text(json.dumps(fields))
    told = run("-f", "csv", "-o", "-", "-l", "voilence", tmp_path / "known.json", status=2).stderr
    assert "there is no label 'voilence'" in " ".join(told.replace("│", " ").split())
    assert "weapons.firearm" in told
    # One that the set has and no segment is of is no mistake.
    run("-f", "csv", "-o", "-", "-l", "gambling", tmp_path / "known.json")


def test_where_the_prompt_set_is_not_to_be_had_an_unknown_label_is_warned_of(result: Path) -> None:
    done = run("-f", "csv", "-o", "-", "-l", "voilence", result)
    assert done.stderr == "warning: no segment is of the label voilence.\n"


def test_json_stays_what_it_was(result: Path, results: Path) -> None:
    done = run("-f", "json", "-o", "-", result)
    assert ResultDocument.model_validate_json(done.stdout) == document()
    done = run("-f", "jsonl", "-o", "-", results)
    assert done.stdout == results.read_text()


@pytest.mark.parametrize(
    ("fps", "time"),
    [("25", "00:01:01:06"), ("29.97", "00:01:01;07"), ("30000/1001", "00:01:01;07")],
)
def test_fps_goes_before_the_videos_own(result: Path, fps: str, time: str) -> None:
    done = run("-f", "edl", "-o", "-", "--fps", fps, result)
    assert f" {time} " in done.stdout


@pytest.mark.parametrize("fps", ["0", "-25", "1/0", "fast", "nan", "inf", "1e9"])
def test_an_fps_that_is_none_is_refused(result: Path, fps: str) -> None:
    assert "is no frame rate" in run("-f", "edl", "-o", "-", "--fps", fps, result, status=2).stderr


def test_without_a_frame_rate_the_others_are_written(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    several = [document(frame_rate=None), document(source="b.mp4")]
    file.write_text("".join(f"{one.to_json()}\n" for one in several))
    with pytest.raises(FrameRateUnknown, match="--fps"):
        run("-f", "edl", "-o", f"{tmp_path}/out/", file)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.edl"]
    run("-f", "edl", "-o", f"{tmp_path}/out/", "--fps", "25", file)
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_failed_analysis_is_told_and_the_others_are_written(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text("".join(f"{one.to_json()}\n" for one in (failed(), document())))
    done = run("-f", "vtt", "-o", f"{tmp_path}/out/", file, status=3)
    assert done.stderr == "error[media.unreadable]: notes.mp4: no video. Convert it.\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["My clip.vtt"]
    done = run("-f", "csv", "-o", "-", file, status=3)
    assert done.stderr.startswith("error[media.unreadable]")
    assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == 4


def test_a_file_that_cant_be_read_is_told_and_the_others_are_written(
    tmp_path: Path, result: Path
) -> None:
    done = run("-f", "vtt", "-o", f"{tmp_path}/out/", tmp_path / "no.json", result, status=1)
    assert done.stderr.startswith("error[result.unreadable]: ")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["My clip.vtt"]


def test_a_folder_that_may_not_be_written_is_an_error(result: Path) -> None:
    with pytest.raises(OutputFailed):
        run("-f", "vtt", "-o", "/proc/nowhere/out.vtt", result)


def test_what_an_edl_cant_hold_is_an_error(tmp_path: Path) -> None:
    many = document([segment("fire", at * 1000, at * 1000 + 500) for at in range(1000)])
    (tmp_path / "many.json").write_text(many.to_json())
    with pytest.raises(ExportImpossible, match="--min-confidence"):
        run("-f", "edl", "-o", "-", tmp_path / "many.json")


@pytest.mark.parametrize("name", ONE_VIDEO)
def test_analyze_and_results_refuse_one_file_for_several_videos(tmp_path: Path, name: str) -> None:
    for output in (None, "-", str(tmp_path / "file")):
        with pytest.raises(typer.BadParameter, match="folder"):
            Results.prepare(ResultFormat(name), output, inputs=2)
        assert Results.prepare(ResultFormat(name), output, inputs=1).inputs == 1
    assert Results.prepare(ResultFormat(name), f"{tmp_path}/out/", inputs=2).inputs == 2
