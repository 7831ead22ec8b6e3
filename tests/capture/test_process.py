"""What /proc tells, from its texts and of this very process."""

import os
import subprocess
import sys
import time

import pytest

from memsnap.capture.process import (
    command_line,
    memory_and_process,
    parse_rollup,
    parse_status,
    start_time,
)
from memsnap.errors import TargetError

STATUS = """Name:\tshop
VmPeak:\t 1600472 kB
VmSize:\t 1600284 kB
VmRSS:\t   11348 kB
RssAnon:\t    3268 kB
RssFile:\t    8080 kB
RssShmem:\t       0 kB
VmSwap:\t       4 kB
Threads:\t5
"""


def test_memory_lines_of_status_are_bytes():
    assert parse_status(STATUS) == {
        "virtual": 1_600_284 * 1024,
        "rss": 11_348 * 1024,
        "rss_anon": 3_268 * 1024,
        "rss_file": 8_080 * 1024,
        "swap": 4_096,
    }


def test_the_proportional_set_size_is_in_bytes():
    assert parse_rollup("00-ff ---p [rollup]\nRss: 9 kB\nPss: 7 kB\nPss_Dirty: 1 kB\n") == 7_168
    assert parse_rollup("") is None


def test_a_process_is_described_by_what_it_runs():
    began = time.time_ns()
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(command, stdin=-1, stdout=-1) as child:
        child.stdout.readline()
        facts = memory_and_process(child.pid)
        assert facts.process.pid == child.pid
        assert abs(facts.process.start_time_ns - began) < 5_000_000_000
        assert facts.process.start_time_ns == start_time(child.pid)
        assert facts.process.executable == os.path.realpath(sys.executable)
        assert facts.memory.rss > 0
        assert facts.memory.virtual >= facts.memory.rss
        assert facts.notes == (
            f"The executable of process {child.pid} has no readable Go build info.",
        )
        child.communicate(b"\n")


def test_a_command_line_keeps_its_arguments():
    command = (sys.executable, "-c", "print('up', flush=True); input()", "two words", "")
    with subprocess.Popen(command, stdin=-1, stdout=-1) as child:
        child.stdout.readline()
        assert command_line(child.pid) == command
        child.communicate(b"\n")


def test_a_process_that_has_ended_is_gone_even_before_it_is_reaped():
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(TargetError, match="there is no such process"):
            start_time(child.pid)
    with pytest.raises(TargetError, match="there is no such process"):
        memory_and_process(child.pid)
