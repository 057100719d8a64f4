"""How a run is divided into processes, and the processes that the command line starts itself."""

import subprocess
import sys

import pytest

from jnn.cli import launch
from jnn.errors import JnnError, Lost
from jnn.processes import joining

SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_NODELIST": "node[1-2]",
    "SLURM_NTASKS": "2",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
}


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Neither SLURM nor any other started these tests."""
    for name in (*SLURM, "SLURM_STEP_NUM_NODES", "OMPI_MCA_orte_hnp_uri"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


@pytest.mark.parametrize("words", ["--epochs 3", "--processes 2 --help", "--processes 2 --dry-run"])
def test_a_run_without_the_options_or_training_is_one_process(words):
    divided = launch.division(words.split())
    assert not divided.is_joined
    assert not divided.is_started_here
    assert divided.stuck_after == 0


def test_processes_alone_are_started_here_unless_a_cluster_has_started_them(monkeypatch):
    words = ["--processes", "2", "--devices-per-process", "4"]
    divided = launch.division(words)
    assert divided.is_started_here
    assert divided.devices(of_mesh=8) == 4
    assert divided.stuck_after == 600
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    assert not launch.division(words).is_started_here
    assert launch.division(words).is_joined


def test_processes_by_hand_say_which_one_they_are():
    words = ["--coordinator", "10.0.0.1:1234", "--process-id", "1", "--processes", "2"]
    divided = launch.division(words)
    assert not divided.is_started_here
    assert (divided.coordinator, divided.process_id, divided.processes) == ("10.0.0.1:1234", 1, 2)
    assert divided.devices(of_mesh=8) == 4


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2"}, False),  # a batch script, without srun
        (SLURM, True),
        ({"OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1:34911"}, True),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "0"}, True),
    ],
)
def test_who_started_this_process(environ, expected):
    assert launch.is_of_cluster(environ) is expected


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--processes 0", "--processes: got '0', expected an integer from 1 to 1024"),
        ("--processes two", "--processes: got 'two'"),
        ("--processes 2 --process-id 2", "got --process-id alone, expected --coordinator too"),
        ("--coordinator a:1", "got --coordinator alone, expected --process-id and --processes too"),
        (
            "--coordinator a:1 --process-id 2 --processes 2",
            "--process-id: got 2, expected 0 to 1, one for each process",
        ),
        ("--devices-per-process 4", "Add --processes."),
        ("--stuck-after -1", "--stuck-after: got '-1', expected a number of seconds >= 0"),
        ("--stuck-after nan", "--stuck-after: got 'nan'"),
        ("--connect-within soon", "--connect-within: got 'soon'"),
    ],
)
def test_options_that_cannot_be_right(words, text):
    with pytest.raises(JnnError) as raised:
        launch.division(words.split())
    assert text in str(raised.value)


@pytest.mark.parametrize("address", ["10.0.0.1", ":1234", "host:", "host:port", "host:70000", ""])
def test_addresses_that_are_none(address):
    with pytest.raises(JnnError, match="expected HOST:PORT of process 0"):
        joining.check_coordinator(address)


@pytest.mark.parametrize(
    "job",
    [
        {"SLURM_STEP_NUM_NODES": "2"},
        {"OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_LOCAL_SIZE": "4"},
    ],
)
@pytest.mark.parametrize("address", ["127.0.0.1:1234", "localhost:1234", "[::1]:1234"])
def test_a_loopback_address_is_refused_beside_other_hosts(monkeypatch, job, address):
    joining.check_coordinator(address)
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(JnnError, match="expected an address of process 0 that the other hosts"):
        joining.check_coordinator(address)
    joining.check_coordinator("10.0.0.1:1234")


def children(*codes):
    """Processes that end with these codes, None for one that goes on."""
    scripts = ["while :; do sleep 0.1; done" if code is None else f"exit {code}" for code in codes]
    return [subprocess.Popen(["sh", "-c", script]) for script in scripts]


def test_the_first_process_that_fails_is_told_and_the_others_do_not_outlive_it(monkeypatch):
    monkeypatch.setattr(launch, "GRACE", 0.1)
    started = children(None, 3)
    assert launch._wait(started) == 1
    assert [child.returncode for child in started] == [-9, 3]
    assert launch._wait(children(0, 0)) is None


def test_a_signal_goes_to_the_first_process_and_the_second_ends_all():
    started = children(None, None)
    with launch._passed_on(started) as received:
        launch.signal.raise_signal(launch.signal.SIGTERM)
        assert started[0].wait(20) == -15
        assert started[1].poll() is None
        launch.signal.raise_signal(launch.signal.SIGTERM)
        assert started[1].returncode == -9
    assert received == [15, 15]


def fake(monkeypatch, script):
    """`launch` starts ``sh -c script`` with the index of the process in place of jnn."""
    popen = subprocess.Popen

    def start(command, **options):
        assert command[:4] == [sys.executable, "-m", "jnn", "run"]
        assert command[-4:-2] == ["--coordinator", command[-3]]
        return popen(["sh", "-c", script, "sh", command[-1]], **options)

    monkeypatch.setattr(launch.subprocess, "Popen", start)


def test_what_other_processes_print_is_shown_with_their_number(monkeypatch, capfd):
    fake(monkeypatch, "echo from $1 >&2; exit $1")
    assert launch.launch(["run", "digits"], 2) == 1
    error = capfd.readouterr().err
    assert "[process 1] from 1" in error
    assert "from 0" in error


def test_an_error_that_all_have_is_shown_once(monkeypatch, capfd):
    fake(monkeypatch, "echo error: a mistake >&2; exit 2")
    assert launch.launch(["run", "digits"], 3) == 2
    assert capfd.readouterr().err == "error: a mistake\n"


def test_a_process_that_was_killed_is_named(monkeypatch):
    monkeypatch.setattr(launch, "GRACE", 0.0)  # the other one ends since it is killed too
    fake(monkeypatch, "[ $1 = 1 ] && kill -9 $$; while :; do sleep 0.1; done")
    with pytest.raises(Lost, match=r"process 1 of 2 was killed by SIGKILL\."):
        launch.launch(["run", "digits"], 2)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_a_child_gets_sigterm_when_its_parent_is_gone():
    """As Linux says it of the child; `tests/processes/test_several.py` kills a parent."""
    program = (
        "import ctypes; signum = ctypes.c_int();"
        "ctypes.CDLL(None).prctl(2, ctypes.byref(signum)); print(signum.value)"  # PR_GET_PDEATHSIG
    )
    command = [sys.executable, "-S", "-c", program]
    said = subprocess.check_output(command, preexec_fn=launch._stopped_with_parent())
    assert int(said) == launch.signal.SIGTERM
