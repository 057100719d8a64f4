"""What processes decide together, with threads in place of processes."""

import pytest

from jnn.errors import JnnError, MissingDataError
from jnn.processes.together import Processes, Together
from tests.processes import ring

LONG = "x" * 10_000  # more than one exchange takes


def results(futures):
    return [future.result(30) for future in futures]


@pytest.mark.parametrize("values", [["a", {"b": [1, 2.5]}, None], [LONG, "", "é" * 5000]])
def test_each_process_gets_the_values_of_all(monkeypatch, values):
    gathered = ring.run(monkeypatch, 3, lambda processes: processes.gather(values[processes.index]))
    assert results(gathered) == [values] * 3


def test_the_first_process_that_differs_is_named_with_what_differs(monkeypatch):
    configs = [{"seed": 0, "rate": 0.1}, {"seed": 0, "rate": 0.1}, {"seed": 0, "rate": 0.2}]
    done = ring.run(monkeypatch, 3, lambda p: p.agree("the settings", configs[p.index]))
    for future in done:
        with pytest.raises(JnnError) as raised:
            future.result(30)
        text = str(raised.value)
        assert text.startswith("process 2 of 3 (")
        assert 'got the settings {"rate": 0.2}' in text
        assert '{"rate": 0.1}' in text
        assert "seed" not in text


def test_processes_that_agree_go_on(monkeypatch):
    assert (
        results(ring.run(monkeypatch, 2, lambda p: p.agree("data", {"sha256": "ab"}))) == [None] * 2
    )


def test_what_the_first_process_computes_all_are_told(monkeypatch):
    told = ring.run(monkeypatch, 3, lambda p: p.told(lambda: {"folder": f"of {p.index}"}))
    assert results(told) == [{"folder": "of 0"}] * 3


def test_an_error_of_the_first_process_is_raised_on_all_with_its_code(monkeypatch):
    def fail():
        raise MissingDataError("no data here")

    for future in ring.run(monkeypatch, 2, lambda p: p.told(fail)):
        with pytest.raises(JnnError, match="no data here") as raised:
            future.result(30)
        assert raised.value.exit_code == MissingDataError.exit_code


def test_a_signal_to_one_process_stops_all_at_the_same_turn(monkeypatch):
    """And the first process decides on pace and checkpoints."""

    def loop(processes):
        pact, turns = Together(processes, seconds=0.0), []
        for turn in range(4):
            signum = 15 if processes.index == 1 and turn >= 2 else None
            turns.append(pact.decide(10 + processes.index, processes.index == 0, signum))
        return turns

    expected = [(10, True, None), (10, True, None), (10, True, 15), (10, True, 15)]
    assert results(ring.run(monkeypatch, 2, loop)) == [expected] * 2


def test_between_two_exchanges_nothing_is_decided(monkeypatch):
    """Turns that take no time are many a second, and exchanges few."""

    def loop(processes):
        pact = Together(processes, seconds=60.0)
        return [pact.decide(turn, True, 2, at_once=turn == 5)[1:] for turn in range(16)]

    first, second = results(ring.run(monkeypatch, 2, loop))
    assert first == second
    assert [turn for turn, decided in enumerate(first) if decided == (True, 2)] == [0, 5, 14]


def test_one_process_decides_for_itself():
    assert Together(Processes()).decide(7, False, 2) == (7, False, 2)
