"""`--limit NAME=VALUE`: how it is read, and what is said where it can't be."""

from __future__ import annotations

from dataclasses import replace

import pytest
import typer

from clipwarden.cli.limits import LIMITS, decode_limits, described_defaults, threads_for_one_file
from clipwarden.roles import sampler
from ingest.media.limits import DecodeLimits
from ingest.settings import ProcessSettings, SamplerSettings, StoreSettings


def test_without_any_the_defaults_hold() -> None:
    assert decode_limits(None) == DecodeLimits() == decode_limits([])
    assert decode_limits([], threads=4) == DecodeLimits(threads=4)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("bytes=2GB", "max_bytes", 2 * 10**9),
        ("bytes=2GiB", "max_bytes", 2 * 2**30),
        ("bytes=1234", "max_bytes", 1234),
        ("duration=6h", "max_duration_s", 6 * 3600),
        ("duration=1.5h", "max_duration_s", 5400),
        ("pixels=33M", "max_pixels", 33_000_000),
        ("frames=100000", "max_frames", 100_000),
        ("streams=8", "max_streams", 8),
        ("memory=2GB", "memory_bytes", 2 * 10**9),
        ("cpu=1h", "cpu_s", 3600),
        ("time=2h", "wall_s", 7200),
        ("stall=60s", "stall_timeout_s", 60),
        ("stall=2min", "stall_timeout_s", 120),
        ("files=32", "open_files", 32),
        ("threads=3", "threads", 3),
    ],
)
def test_each_name_sets_its_limit(text: str, field: str, value: int) -> None:
    assert decode_limits([text]) == replace(DecodeLimits(), **{field: value})


def test_every_limit_has_a_name() -> None:
    assert {limit.field for limit in LIMITS.values()} == set(DecodeLimits.__dataclass_fields__)


def test_several_are_taken_together_and_the_last_of_one_name_counts() -> None:
    limits = decode_limits(["cpu=1h", "streams=2", "cpu=2h"])
    assert limits == DecodeLimits(cpu_s=7200, max_streams=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour=red", "one of bytes, duration"),
        ("bytes", "1GiB"),
        ("duration=6", "1min"),
        ("duration=6GB", "1min"),
        ("duration=-6h", "1min"),
        ("streams=8h", "1K"),
        ("streams=0", "from 1"),
        ("streams=1.5", "whole number"),
        ("memory=1MB", "from 320MiB"),
        ("bytes=999999999999999TB", "out of bounds"),
        ("cpu=٣h", "1min"),
    ],
)
def test_what_can_not_be_read_is_a_usage_error_that_says_how(text: str, words: str) -> None:
    with pytest.raises(typer.BadParameter) as caught:
        decode_limits([text])
    assert words in caught.value.message
    assert caught.value.param_hint == "--limit"


def test_the_help_lists_every_name_with_a_value_that_is_read_as_the_default() -> None:
    listed = described_defaults().split(", ")
    assert [entry.partition("=")[0] for entry in listed] == list(LIMITS)
    assert decode_limits(listed) == DecodeLimits()


def test_one_file_alone_gets_some_threads_but_not_every_core_of_a_large_machine() -> None:
    assert 1 <= threads_for_one_file() <= 8


def test_limits_reach_the_sampling_process_unchanged() -> None:
    stores = StoreSettings.model_validate(
        {"redis_url": "redis://x", "database_url": "sqlite://", "blob_url": "/b"}
    )
    limits = decode_limits(["cpu=1h", "stall=9s", "threads=2"])
    role = sampler("sample", ProcessSettings(stores=stores, host="here"), decoding=limits)
    assert isinstance(role.settings, SamplerSettings)
    received = SamplerSettings.model_validate_json(role.settings.model_dump_json())
    assert received.decoding == limits
