"""`clipwarden export` and `results` of submissions of a service, real frame rate included."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pycmx
import pytest
import srt
import typer
from typer.testing import CliRunner

from clipwarden.cli.export import export
from tests.clips import BLUE, RED, write_scenes
from tests.clipwarden.served import Served

PROMPTS = """\
name: colours
version: "1"
description: What every frame is.
labels:
  - id: plain
    prompts: [a plain colour]
    contrast: [a group of dogs]
    threshold: 0.01
    action: review
"""


@pytest.mark.slow
def test_submissions_are_exported_with_their_own_frame_rate(tmp_path: Path) -> None:
    service = Served(tmp_path / "data")
    clip = write_scenes(tmp_path / "clip.mp4", [(RED, 2.0), (BLUE, 2.0)], fps=25)
    prompts = tmp_path / "colours.yaml"
    prompts.write_text(PROMPTS)
    app = typer.Typer()
    app.command()(export)

    def exported(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--data", str(service.folder.root)])
        assert done.exit_code == 0, done.output
        return done.stdout

    with service.serving():
        submission = service.submit("--prompts", prompts, clip)
        [document] = [service.json("results", "--wait", submission)]
        [segment] = document["segments"]
        assert document["video"]["frame_rate"] == 25

        edl = exported("--format", "edl", "--output", "-", submission[:12])
        [event] = pycmx.parse_cmx3600(io.StringIO(edl)).events
        assert event.edits[0].source_in == "00:00:00:00"
        assert event.edits[0].source_out == "00:00:04:00"

        # The same submission is one result, however it is named.
        [cue] = srt.parse(exported("-f", "srt", "-o", "-", submission, submission[:12]))
        assert cue.end.total_seconds() * 1000 == segment["end_ms"]

        timeline = otio.adapters.read_from_string(
            service.run("results", "--format", "otio", submission), "otio_json"
        )
        [marked] = [marker for one in timeline.find_clips() for marker in one.markers]
        end = marked.marked_range.end_time_exclusive()
        assert Fraction(end.value) / 25 == Fraction(segment["end_ms"], 1000)

        app_error = CliRunner().invoke(
            app, ["-f", "csv", "-o", "-", "0123abcd", "--data", str(service.folder.root)]
        )
        assert app_error.exit_code == 1
        assert app_error.stderr.startswith("error[submission.not_found]: ")

    # Nobody serves it any more, and what is stored is still to be had.
    assert exported("-f", "json", "-o", "-", submission) == f"{json.dumps(document, indent=2)}\n"
    words = ["-f", "csv", "-o", "-", "--label", "plane", submission]
    done = CliRunner().invoke(app, [*words, "--data", str(service.folder.root)])
    assert done.exit_code == 2
    assert "There are plain" in " ".join(done.stderr.split())
