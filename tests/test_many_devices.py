"""The document of many devices: its files start what they say, and its code runs."""

import math
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from benchmarks.plan_table import BEGIN, END, ROWS
from jnn.cli import main
from jnn.cli.launch import division
from jnn.errors import Diverged, JnnError, Lost, MissingDataError
from jnn.sharding import mesh_sizes

FOLDER = Path(__file__).parents[1] / "experiments" / "many_devices"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
SBATCH = FOLDER / "slurm.sbatch"
SERVICE, JOB = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8"))
POD = JOB["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]


def started(shell, script, folder, environment=(), code=0):
    """The command line of ``jnn`` that a script runs, what it requeues, and its exit code.

    ``jnn``, ``srun`` and ``scontrol`` are such that say how they were called.
    """
    (folder / "bin").mkdir(exist_ok=True)
    programs = {
        "jnn": f'printf "%s\\n" "$@" > {folder}/jnn; exit {code}',
        "srun": 'shift; exec "$@"',
        "scontrol": f'echo "$@" > {folder}/scontrol',
    }
    for name, body in programs.items():
        path = folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        (folder / name).unlink(missing_ok=True)
    variables = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)}
    done = subprocess.run([shell, *script], env=variables | dict(environment), timeout=60)
    requeued = folder / "scontrol"
    said = requeued.read_text().strip() if requeued.exists() else ""
    return (folder / "jnn").read_text().splitlines(), said, done.returncode


def directives():
    """Those of the sbatch file."""
    found = re.findall(r"^#SBATCH --([\w-]+)(?:=(\S+))?$", SBATCH.read_text(), re.MULTILINE)
    return dict(found)


def settings(words, capsys):
    """What jnn makes of the options of a run."""
    assert main([*words, "--print-config"]) == 0
    capsys.readouterr()
    return mesh_sizes(words[words.index("--mesh") + 1])


def test_the_sbatch_file_starts_a_process_for_each_device_of_the_mesh(tmp_path, capsys):
    run = tmp_path / "run"
    words, requeued, code = started(
        "bash", [SBATCH], tmp_path, {"RUN": str(run), "SLURM_JOB_ID": "7"}
    )
    asked = directives()
    tasks = int(asked["nodes"]) * int(asked["ntasks-per-node"])
    assert asked["gpus-per-node"] == asked["ntasks-per-node"]
    assert math.prod(settings(words, capsys).values()) == tasks
    assert division(words).processes == tasks
    assert division(words).coordinator is None, "SLURM says it"
    assert words[words.index("--out") + 1] == str(run)
    assert (requeued, code) == ("", 0)


@pytest.mark.parametrize("code", [Lost.exit_code, 143, JnnError.exit_code])
def test_a_job_is_requeued_where_that_helps_and_resumes(tmp_path, code):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text("{}")
    environment = {"RUN": str(tmp_path / "run"), "SLURM_JOB_ID": "7"}
    words, requeued, ended = started("bash", [SBATCH], tmp_path, environment, code)
    assert words[:2] == ["resume", str(tmp_path / "run")]
    assert division(words).processes == 64
    assert requeued == ("" if code == JnnError.exit_code else "requeue 7")
    assert ended == code


def test_the_pods_of_the_job_are_the_processes_of_a_run(tmp_path, capsys):
    shell, *options = CONTAINER["command"]
    script = [*options, *CONTAINER["args"]]
    words, _, _ = started(shell, script, tmp_path, {"JOB_COMPLETION_INDEX": "3"})
    job, service = JOB["metadata"]["name"], SERVICE["metadata"]["name"]
    together = division(words)
    pods = JOB["spec"]["completions"]
    assert (together.processes, together.process_id) == (pods, 3)
    assert JOB["spec"]["parallelism"] == pods
    devices = pods * CONTAINER["resources"]["limits"]["nvidia.com/gpu"]
    assert math.prod(settings(words, capsys).values()) == devices
    port = CONTAINER["ports"][0]["containerPort"]
    assert together.coordinator == f"{job}-0.{service}:{port}"


def test_pods_find_each_other_and_are_started_again_where_that_helps():
    assert POD["subdomain"] == SERVICE["metadata"]["name"]
    assert SERVICE["spec"]["clusterIP"] == "None"
    assert SERVICE["spec"]["selector"] == {"job-name": JOB["metadata"]["name"]}
    assert JOB["spec"]["completionMode"] == "Indexed"
    (rule,) = JOB["spec"]["podFailurePolicy"]["rules"]
    codes = {error.exit_code for error in (JnnError, MissingDataError, Diverged)}
    assert set(rule["onExitCodes"]["values"]) == codes
    mounts = {mount["name"] for mount in CONTAINER["volumeMounts"]}
    assert mounts == {volume["name"] for volume in POD["volumes"]}


def test_the_table_of_exit_codes_is_that_of_the_errors():
    codes = {
        int(n)
        for row in re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE)
        for n in row.split(", ")
    }
    errors = {error.exit_code for error in (JnnError, MissingDataError, Diverged, Lost)}
    assert codes == {0, *errors, 130, 143}


def test_the_table_of_plans_has_a_row_for_each_command():
    table = PAGE.split(BEGIN)[1].split(END)[0].strip().splitlines()[2:]
    assert len(table) == len(ROWS)
    for line, row in zip(table, ROWS, strict=True):
        assert line.startswith(f"| {row.preset}, ")
        assert f"| {row.mesh} | {row.batch_size}, {row.accumulate} |" in line


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert len(links) >= 3
    assert all((FOLDER / link).exists() for link in links)


def test_the_code_runs():
    pytest.importorskip("tokenizers", reason='byte pairs: pip install -e ".[text]"')
    pytest.importorskip("grain", reason='streams need Grain: pip install -e ".[data]"')
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(compile(block, "README.md", "exec"), names)
    feed = names["feed"]
    assert feed.data["tokens"].shape == (8, 32)
    assert feed.steps_per_epoch > 1
