"""Histories that are recorded once, and compared with and replayed ever after.

Every run of pytest takes a second, so each shows several things at once.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory

_NAPS = """
    import pytest
    from workflows import Sleeper

    async def slept(sim, seconds):
        async with sim.worker(workflows=[Sleeper]):
            handle = await sim.client.start_workflow(
                Sleeper.run, seconds, id="sleeper", task_queue=sim.task_queue
            )
            await handle.result()
        return await sim.history(handle)

    async def test_sleeps(sim, golden_history):
        assert await slept(sim, 60) == golden_history
"""
_DIRECT = "--timeskip-lane=direct"
_FOLDER = "histories/test_naps"


@pytest.fixture
def golden(project: pytest.Pytester) -> pytest.Pytester:
    """A project with a test of a workflow's golden history."""
    project.makepyfile(test_naps=_NAPS)
    return project


def test_histories_are_recorded_compared_and_recorded_anew(golden: pytest.Pytester) -> None:
    result = golden.runpytest_subprocess(_DIRECT, "--update-histories")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"wrote {_FOLDER}/test_sleeps.json: new"])
    file = golden.path / _FOLDER / "test_sleeps.json"
    recorded = file.read_bytes()
    assert len(WorkflowHistory.from_json("sleeper", recorded.decode()).events) == 10
    assert not {"identity", "requestId", "taskId"} & set(recorded.decode().split('"'))

    # The other lane, with nothing to write.
    (file.parent / "test_gone.json").write_text("{}")
    result = golden.runpytest_subprocess("--timeskip-lane=wire", "--update-histories")
    result.assert_outcomes(passed=1)
    assert "wrote" not in str(result.stdout)
    assert file.read_bytes() == recorded
    result.stdout.fnmatch_lines([f"unused {_FOLDER}/test_gone.json: no test compares with it"])

    golden.makepyfile(test_naps=_NAPS.replace("sim, 60", "sim, 90"))
    result = golden.runpytest_subprocess(_DIRECT)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"E*<history of sleeper, 10 events> == <golden history {_FOLDER}/test_sleeps.json>",
            "E*The histories differ at 1 WorkflowExecutionStarted:",
            "E*workflow_execution_started_event_attributes.input.payloads?0?",
            "E*expected: 60*",
            "E*actual:   90*",
            "E*The code of today replays the recorded history*",
            "E*To record it anew: pytest *test_sleeps* --update-histories",
        ]
    )
    assert file.read_bytes() == recorded
    assert "unused" not in str(result.stdout)  # the test that fails might have used it

    result = golden.runpytest_subprocess(_DIRECT, "--update-histories", "-n1")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            f"wrote {_FOLDER}/test_sleeps.json: 1 WorkflowExecutionStarted: *: 60 became 90",
            f"unused {_FOLDER}/test_gone.json: no test compares with it",
        ]
    )
    assert file.read_bytes() != recorded


def test_what_is_wrong_with_a_file_is_told(golden: pytest.Pytester) -> None:
    golden.makepyfile(
        test_naps=_NAPS
        + """
    @pytest.mark.parametrize("unit", ["broken", "changed", "missing", "a/b", "a:b"])
    async def test_units(sim, golden_history, unit):
        history = await slept(sim, 60)
        assert history == golden_history
        assert history.commands == golden_history("commands")

    async def test_two_of_one_name(sim, golden_history):
        assert await slept(sim, 60) == golden_history
        assert await slept(sim, 90) == golden_history
    """
    )
    result = golden.runpytest_subprocess(_DIRECT, "--update-histories")
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(["E*two histories of one test need two names*"])

    folder = golden.path / _FOLDER
    assert len(list(folder.iterdir())) == 12
    assert (folder / "test_units[missing]-commands.json").exists()
    (folder / "test_units[missing].json").unlink()
    (folder / "test_units[broken].json").write_text("{")
    _replace_timer_by_marker(folder / "test_units[changed].json")
    (folder / "test_gone.json").write_text("{}")
    result = golden.runpytest_subprocess(_DIRECT, "-k", "units")
    result.assert_outcomes(passed=2, failed=3, deselected=2)
    output = str(result.stdout)
    assert "unused" not in output  # a test that was left out might have used it
    assert "test_units[broken].json: this is not JSON" in output
    assert "The code of today does not replay the recorded history:" in output
    assert f"replay of {_FOLDER}/test_units[changed].json" in output
    assert "In the SDK's words:" in output
    assert (
        f"there is no golden history {_FOLDER}/test_units[missing].json. Write it with: pytest"
        ' "test_naps.py::test_units[missing]" --update-histories'
    ) in output


def _replace_timer_by_marker(file: Path) -> None:
    history = json.loads(file.read_text("utf-8"))
    event = next(each for each in history["events"] if each["eventType"].endswith("TIMER_STARTED"))
    event["eventType"] = "EVENT_TYPE_MARKER_RECORDED"
    del event["timerStartedEventAttributes"]
    event["markerRecordedEventAttributes"] = {"markerName": "invented"}
    file.write_text(json.dumps(history))


@pytest.mark.slow
def test_hooks_in_conftest_files_hold_for_the_tests_below(golden: pytest.Pytester) -> None:
    for folder in ("discreet", "frank"):
        golden.mkdir(folder)
        shutil.copy(golden.path / "test_naps.py", golden.path / folder / f"test_{folder}.py")
    (golden.path / "discreet/conftest.py").write_text(
        """
from timeskip.hookspecs import hookimpl

@hookimpl
def timeskip_redact_history(history):
    for event in history.events:
        event.workflow_execution_started_event_attributes.ClearField("input")
"""
    )
    arguments = (_DIRECT, "discreet", "frank")
    golden.runpytest_subprocess(*arguments, "--update-histories").assert_outcomes(passed=2)
    assert "input" not in _recorded_in(golden.path / "discreet")
    assert "input" in _recorded_in(golden.path / "frank")


def _recorded_in(folder: Path) -> str:
    [file] = folder.glob("histories/*/*.json")
    return file.read_text("utf-8")


@pytest.mark.slow
def test_plain_histories_are_compared_with_a_diff_in_colour(golden: pytest.Pytester) -> None:
    golden.makepyfile(
        test_naps=_NAPS.partition("    async def test_sleeps")[0]
        + """
    async def test_two(sim):
        first = await slept(sim, 60)
        assert first == await slept(sim, 60)
        assert first == await slept(sim, 90)
    """
    )
    result = golden.runpytest_subprocess(_DIRECT, "--color=yes")
    result.assert_outcomes(failed=1)
    assert "expected: \x1b[32m90" in str(result.stdout)
    assert "actual:   \x1b[31m60" in str(result.stdout)
