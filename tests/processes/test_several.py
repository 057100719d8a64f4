"""Runs in several processes of this machine: the same bits, and what happens when one fails."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jnn.cli.launch import free_port
from jnn.data.token_files import tokens_of_texts, write_token_files
from jnn.data.tokenizers import character_tokenizer
from jnn.errors import Lost

ROOT = Path(__file__).parents[2]
EXPERIMENT = Path(__file__).parent / "experiment.py"
MESHES = ("data=4", "data=2,fsdp=2", "fsdp=2,tensor=2")
ENDS = 15.0  # seconds in which the others end after one was killed
FINISHES = 240.0  # seconds of a run on a machine that is busy
LONG = ("--epochs", "100000", "--slow", "0.02")

pytestmark = pytest.mark.slow


def start(*words, **variables):
    """``jnn`` with these words in a process of its own, without the devices of these tests."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment |= variables
    return subprocess.Popen(
        [sys.executable, "-m", "jnn", *map(str, words)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*words):
    """The exit code of ``jnn`` with these words, and what it printed on standard error."""
    process = start(*words)
    _, error = process.communicate(timeout=FINISHES)
    return process.returncode, error


def by_hand(*words, others=(), count=2):
    """The processes of a run that is started by hand, the first one first."""
    options = ("--coordinator", f"127.0.0.1:{free_port()}", "--processes", count)
    return [
        start(*words, *(others if index else ()), *options, "--process-id", index)
        for index in range(count)
    ]


def ends(processes):
    """The exit codes and errors of processes, once all have ended."""
    errors = [process.communicate(timeout=FINISHES)[1] for process in processes]
    return [process.returncode for process in processes], errors


def until_training(folder, processes, count=2):
    """Wait until each process is at a step; their records."""
    deadline = time.monotonic() + FINISHES
    while time.monotonic() < deadline:
        assert all(process.poll() is None for process in processes), ends(processes)
        paths = [folder / "processes" / f"{index}.json" for index in range(count)]
        try:
            records = [json.loads(path.read_text()) for path in paths]
        except (OSError, ValueError):
            records = [{}]
        if all(record.get("step") for record in records):
            return records
        time.sleep(0.1)
    raise AssertionError("no training")


def status(folder):
    return json.loads((folder / "status.json").read_text())


def metrics(folder):
    return (folder / "metrics.jsonl").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """``of(mesh)``: the folder of a run of one process of four devices that never stopped."""
    folders = {}

    def of(mesh):
        if mesh not in folders:
            folders[mesh] = folder = tmp_path_factory.mktemp("whole") / "run"
            code, error = run("run", EXPERIMENT, "--mesh", mesh, "--processes", 1, "--out", folder)
            assert code == 0, error
        return folders[mesh]

    return of


@pytest.mark.parametrize("mesh", MESHES)
def test_two_processes_have_the_bits_of_one(tmp_path, whole, mesh):
    code, error = run(
        *("run", EXPERIMENT, "--mesh", mesh, "--processes", 2, "--devices-per-process", 2),
        *("--out", tmp_path / "run"),
    )
    assert code == 0, error
    assert metrics(tmp_path / "run") == metrics(whole(mesh))
    summary = [
        json.loads((folder / "summary.json").read_text())
        for folder in (tmp_path / "run", whole(mesh))
    ]
    assert summary[0]["metrics"] == summary[1]["metrics"]
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_language_model_of_token_files_is_trained_tested_and_reported(tmp_path):
    """Each process reads its half of each batch; both evaluate and the first one reports."""
    pytest.importorskip("grain", reason='streams need Grain: pip install -e ".[data]"')
    tokenizer = character_tokenizer("abc", special=("end", "unknown"))
    texts = tokens_of_texts(["abcab" * 10] * 40, tokenizer)
    tokens, folders = tmp_path / "tokens", [tmp_path / "1", tmp_path / "2"]
    write_token_files(tokens, texts, vocabulary=tokenizer.vocabulary, tokenizer=tokenizer)
    words = ("--smoke", "--preset", "gpt2", "--batch-size", 8, "--mesh", "data=2,fsdp=2")
    for count, folder in enumerate(folders, 1):
        divided = ("--processes", count, "--devices-per-process", 4 // count, "--out", folder)
        code, error = run("run", "text_generation", *words, "--tokens", tokens, *divided)
        assert code == 0, error
    assert metrics(folders[0]) == metrics(folders[1])
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in folders]
    assert "test/nats_per_character" in summaries[0]["metrics"]
    assert summaries[0]["metrics"] == summaries[1]["metrics"]
    assert summaries[0]["data"] == summaries[1]["data"]
    assert all("Attention" in (folder / "report.html").read_text() for folder in folders)
    assert sorted(path.name for path in folders[1].glob("processes/*.json")) == ["0.json", "1.json"]


def test_processes_that_slurm_starts_know_each_other(tmp_path, whole):
    """By the variables of a task; JAX makes the port from the number of the job."""
    job = {
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_STEP_NUM_NODES": "1",
    }
    words = ("run", EXPERIMENT, "--mesh", MESHES[0], "--processes", 2, "--out", tmp_path / "run")
    tasks = [
        start(*words, **job, SLURM_PROCID=str(index), SLURM_LOCALID=str(index))
        for index in range(2)
    ]
    codes, errors = ends(tasks)
    assert codes == [0, 0], errors
    assert metrics(tmp_path / "run") == metrics(whole(MESHES[0]))


def test_a_run_of_one_process_goes_on_in_two(tmp_path, whole):
    for count in (1, 2):
        shutil.copytree(whole(MESHES[1]), tmp_path / str(count))
        code, error = run("resume", tmp_path / str(count), "--epochs", "+1", "--processes", count)
        assert code == 0, error
    assert metrics(tmp_path / "1") == metrics(tmp_path / "2")
    assert (tmp_path / "2" / "checkpoints" / "12" / "shards-1.bin").is_file()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_signal_to_one_process_stops_all_and_the_run_goes_on_bit_for_bit(tmp_path, whole, victim):
    mesh, folder = "data=2,fsdp=2", tmp_path / "run"
    processes = by_hand("run", EXPERIMENT, "--mesh", mesh, "--slow", 3, "--out", folder)
    record = until_training(folder, processes)[victim]
    os.kill(record["pid"], signal.SIGTERM)
    codes, errors = ends(processes)
    assert codes == [143, 143], errors
    assert status(folder)["state"] == "interrupted"
    steps = list((folder / "checkpoints").iterdir())
    assert steps
    assert all((step / "shards-1.bin").is_file() for step in steps)
    # with slow=3 it is another config than that of the whole run, but the same numbers
    code, error = run("resume", folder, "--processes", 2)
    assert code == 0, error
    assert metrics(folder) == metrics(whole(mesh))


def test_one_process_goes_on_where_two_stopped_and_on_another_mesh(tmp_path):
    folder = tmp_path / "run"
    processes = by_hand("run", EXPERIMENT, "--mesh", "data=2,fsdp=2", "--slow", 3, "--out", folder)
    until_training(folder, processes)
    processes[0].send_signal(signal.SIGINT)
    codes, errors = ends(processes)
    assert codes == [130, 130], errors
    code, error = run("resume", folder, "--mesh", "data=2")
    assert code == 0, error
    assert status(folder)["state"] == "done"
    assert "processes" in (folder / "log.txt").read_text()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_is_killed_is_named_and_the_other_ends(tmp_path, victim):
    folder = tmp_path / "run"
    processes = by_hand("run", EXPERIMENT, "--mesh", "data=2", *LONG, "--out", folder)
    pid = until_training(folder, processes)[victim]["pid"]
    began = time.monotonic()
    processes[victim].kill()
    codes, errors = ends(processes)
    assert time.monotonic() - began < ENDS
    assert codes[1 - victim] == Lost.exit_code, errors
    last = errors[1 - victim].splitlines()[-1]
    assert last.startswith(f"error: process {victim} of 2 (host ")
    is_native = [re.match(r"[EFIW]\d{4} ", line) for line in errors[1 - victim].splitlines()]
    assert not any(is_native), "what the runtime prints is in the log"
    assert (folder / "processes" / f"{1 - victim}.log").is_file()
    assert f"pid {pid}" in last
    assert f"jnn resume {folder}" in last
    steps = [path.name for path in (folder / "checkpoints").iterdir()]
    assert all(name.isdigit() or name.startswith(".saving-") for name in steps)


def test_the_launcher_ends_with_the_others(tmp_path):
    folder = tmp_path / "run"
    launcher = start(
        "run", EXPERIMENT, "--mesh", "data=2", "--processes", 2, *LONG, "--out", folder
    )
    record = until_training(folder, [launcher])[1]
    os.kill(record["pid"], signal.SIGKILL)
    [code], [error] = ends([launcher])
    assert code == Lost.exit_code
    assert error.splitlines()[-1] == "error: process 1 of 2 was killed by SIGKILL."
    assert "process 1 of 2" in status(folder)["message"]


def test_the_others_save_and_stop_where_the_launcher_is_killed(tmp_path):
    folder = tmp_path / "run"
    launcher = start(
        "run", EXPERIMENT, "--mesh", "data=2", "--processes", 2, *LONG, "--out", folder
    )
    pids = [record["pid"] for record in until_training(folder, [launcher])]
    launcher.kill()
    deadline = time.monotonic() + FINISHES
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert status(folder)["state"] == "interrupted"
    launcher.communicate()


def test_a_stopped_process_is_noticed_with_the_stacks_of_the_others(tmp_path):
    folder = tmp_path / "run"
    words = ("run", EXPERIMENT, "--mesh", "data=2", *LONG, "--stuck-after", 5, "--out", folder)
    processes = by_hand(*words)
    pid = until_training(folder, processes)[1]["pid"]
    os.kill(pid, signal.SIGSTOP)
    _, error = processes[0].communicate(timeout=FINISHES)
    processes[1].kill()
    assert processes[0].returncode == Lost.exit_code
    assert "Current thread" in error
    assert "in fit" in error
    assert "process 1 of 2 (host " in error.splitlines()[-1]
    assert f"pid {pid}" in error.splitlines()[-1]


@pytest.mark.parametrize(
    ("others", "text"),
    [
        (("--learning-rate", "0.5"), 'got the settings {"learning_rate": 0.5}'),
        (("--elsewhere", "0", "--rows", "48"), 'got the settings {"rows": 48}'),
    ],
)
def test_processes_that_differ_are_refused_before_a_folder_is_made(tmp_path, others, text):
    words = ("run", EXPERIMENT, "--mesh", "data=2", "--out", tmp_path / "run")
    codes, errors = ends(by_hand(*words, others=others))
    assert codes == [2, 2], errors
    assert all(text in error and "process 1 of 2" in error for error in errors)
    assert not (tmp_path / "run").exists()


def test_other_data_on_another_process_is_refused_before_the_first_step(tmp_path):
    words = ("run", EXPERIMENT, "--mesh", "data=2", "--elsewhere", 8, "--out", tmp_path / "run")
    codes, errors = ends(by_hand(*words))
    assert codes == [2, 2], errors
    assert "got data {" in errors[0]
    assert not metrics(tmp_path / "run") if (tmp_path / "run" / "metrics.jsonl").exists() else True


def test_a_coordinator_that_nobody_answers(tmp_path):
    place = f"127.0.0.1:{free_port()}"
    options = ("--coordinator", place, "--processes", 2, "--connect-within", 2)
    words = ("run", EXPERIMENT, "--mesh", "data=2", "--out", tmp_path / "run", *options)
    code, error = run(*words, "--process-id", 1)
    assert code == 2
    assert error.splitlines()[-1].startswith(f"error: {place}: got no answer within 2 s")
    code, error = run(*words, "--process-id", 0)
    assert code == 2
    assert "got not all of the 2 processes within 2 s" in error.splitlines()[-1]


def test_a_mesh_that_leaves_a_process_without_work(tmp_path):
    words = ("run", EXPERIMENT, "--mesh", "data=2", "--out", tmp_path / "run")
    code, error = run(*words, "--processes", 2, "--devices-per-process", 2)
    assert code == 2
    assert "mesh: got data=2 for 4 devices of 2 processes" in error
