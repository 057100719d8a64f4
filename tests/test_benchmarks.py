"""The benchmarks: their arithmetic, their ways, and the page, which shows the committed results."""

import ast
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import harness, machine, page, worker
from benchmarks.workloads import WORKLOADS


def test_a_ratio_is_the_time_of_a_way_over_that_of_the_first():
    class Fake:
        units, processor_seconds = 1, 0.0

        def __init__(self, seconds):
            self.times = itertools.chain([seconds[0]], seconds)

        def time(self, calls):
            seconds = next(self.times)
            return np.array([seconds, 2 * seconds])

    workers = {"first": Fake([0.1, 0.2, 0.3]), "other": Fake([0.2, 0.5, 0.6])}
    times, _ = harness._rounds(workers, 3)
    other, first = np.array(times["other"]), np.array(times["first"])
    found = harness._summary(other, other / first)
    assert found["ratio"] == found["processor_ratio"] == 2.0
    assert found["low"] == 2.0
    assert found["high"] == 2.25
    assert found["least_seconds"] == 0.2
    assert found["median_seconds"] == 0.5


def test_a_worker_times_so_many_calls():
    calls = []
    found = worker.timed(lambda: (calls.append(1), time.sleep(0.01)), 3)
    assert len(calls) == 3
    assert found["seconds"] >= 0.03


@pytest.mark.parametrize("other", [[1.0, 2.1], [1.1, 2.0]])
def test_ways_that_do_different_things_are_not_compared(other):
    harness._check_same({"a": [1.0, 2.0], "b": [1.0, 2.0]}, 1e-3)
    with pytest.raises(AssertionError, match="b and a differ"):
        harness._check_same({"a": [1.0, 2.0], "b": other}, 1e-3)


def test_a_fingerprint_tells_arrays_apart_that_have_the_same_elements():
    a, b = np.arange(5.0), np.arange(5.0)[::-1]
    (size, product), (size_b, product_b) = worker.fingerprint(a), worker.fingerprint(b)
    assert size == size_b == pytest.approx(np.sqrt(30))
    assert product == pytest.approx(sum(i * np.cos(i) for i in range(5)) / size)
    assert abs(product - product_b) > 0.1


def functions(module: str) -> dict[str, ast.FunctionDef]:
    """The functions of a file of the benchmarks, whose library need not be installed."""
    tree = ast.parse((ROOT / "benchmarks" / f"{module.replace('.', '/')}.py").read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", WORKLOADS)
def test_each_way_calls_a_function_with_as_many_arguments_as_it_takes(name):
    for way in WORKLOADS[name].ways.values():
        module, function = way.make.split(":")
        found = functions(module)[function].args
        most = len(found.args)
        assert most - len(found.defaults) <= len(way.arguments) <= most


def test_operations_of_a_step_are_three_times_those_of_the_model():
    from benchmarks.peers.of_jnn import NETWORKS
    from jnn.explain.inside.operations import flops

    for name in ("mlp_tiny", "cnn", "lenet5", "vgg16", "resnet18"):
        model, data = NETWORKS[name]
        assert WORKLOADS[name].flops == 3 * flops(model(), data(1)[0])


def test_a_product_in_a_loop_occurs_as_often_as_it_is_computed():
    import jax

    from benchmarks.parts.products import products

    def loop(w, x):
        return jax.lax.scan(lambda h, _: (h @ w, None), x, length=5)[0] @ w

    found = products(jax.make_jaxpr(jax.jit(loop))(np.ones((3, 3)), np.ones((2, 3))).jaxpr)
    assert [(each.primitive.name, count) for each, count in found] == [
        ("dot_general", 5),
        ("dot_general", 1),
    ]


@pytest.mark.slow
def test_products_alone_are_those_of_a_step():
    from benchmarks.parts.products import gradient, products
    from jnn.explain.inside.operations import operations

    found = products(gradient("lstm"))
    counted = sum(operations(SimpleNamespace(eqns=[each])) * count for each, count in found)
    assert counted == WORKLOADS["lstm"].flops


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "workload: got nothing, expected some of mlp"),
        (["mlp", "--peers", "caffe"], "peer: got caffe, expected some of jnn"),
        (["mlp", "--rounds", "0"], "--rounds: got 0, expected 1 or more"),
    ],
)
def test_what_is_unknown_is_refused(monkeypatch, capsys, arguments, message):
    from benchmarks.__main__ import main

    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert message in capsys.readouterr().err


def test_the_page_shows_the_results():
    text = page.PAGE.read_text()
    assert page.page(text, page.results()) == text


def test_the_picture_has_each_training_step_and_no_part_of_it():
    found = page.results()
    (panel, *_) = page.picture(found).axes
    rows = {label.get_text() for label in panel.get_yticklabels()}
    assert {"mlp", "cnn", "resnet18", "lstm", "gru", "gpt_s", "gpt_m", "mlps_32"} <= rows
    assert not rows & {"guard", "convolution", "import", "compile_mlp", "flags_mlp"}
    lines = {line.get_label() for line in panel.lines}
    assert {"torch", "jnn, many steps"} <= lines
    assert not {line for line in lines if "products alone" in line}


def test_a_result_that_is_kept_brings_the_page_up_to_date(tmp_path, monkeypatch):
    for name, path in {"RESULTS": "", "PAGE": "README.md", "PICTURE": "ratios.svg"}.items():
        monkeypatch.setattr(page, name, tmp_path / path)
    monkeypatch.setattr(page, "picture", lambda found: Figure())
    page.PAGE.write_text(f"Before {page.BEGIN}{page.END} after")
    way = {"ratio": 2.0, "low": 1.0, "high": 3.0, "processor_ratio": 2.0}
    way |= {"median_seconds": 1.0, "least_seconds": 0.5, "compilation_seconds": 0.0}
    result = {"about": "a step", "flops": 10**11, "missing": {}, "cores_busy_with_others": 0.0}
    result |= {"ways": {"jnn": way}}
    here = {"processor": "A", "instructions": ["avx2"], "cores": 2, "python": "3.11.7"}
    first = here | {"versions": {"jax": "1", "torch": "2"}, "peak_gflops": {"XLA": 400}}
    later = here | {"versions": {"jax": "3"}, "peak_gflops": {"XLA": 300, "numpy": 100}}
    page.keep("mlp", result, first)
    page.keep("cnn", result, later)
    (found,) = page.results().values()
    assert found["machine"]["peak_gflops"] == {"XLA": 400, "numpy": 100}
    assert found["machine"]["versions"] == {"jax": "3", "torch": "2"}
    text = page.PAGE.read_text()
    assert page.page(text, page.results()) == text
    assert text.count("| 50 % |") == 2
    mlp, cnn = text.split("**cnn**")
    assert "Measured with jax 1." in mlp
    assert "Measured with" not in cnn
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".md", ".svg"}


def test_a_busy_machine_stands_in_the_title():
    result = {"about": "a step", "flops": 0, "missing": {}, "ways": {}}
    title = lambda busy: page.table("mlp", result | {"cores_busy_with_others": busy}, 1.0)[0]
    assert title(0.1) == "**mlp**: a step"
    assert title(0.5) == "**mlp**: a step (a busy machine: others kept 0.5 cores)"


def test_the_file_of_a_processor_is_named_by_its_model_and_instructions(monkeypatch):
    monkeypatch.setattr(machine.processor, "model", lambda: "Intel(R) Xeon(R) Processor @ 2.00GHz")
    monkeypatch.setattr(machine.processor, "instructions", lambda: frozenset({"avx2", "avx512f"}))
    assert machine.slug() == "intel-xeon-processor-2-00ghz-avx512"


def test_mkl_is_told_that_a_processor_of_amd_is_fast(monkeypatch, tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\nfor last; do :; done\ncat > "$last"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(machine.processor, "model", lambda: "AMD EPYC")
    for before in ("", "libc.so.6"):
        monkeypatch.setenv("LD_PRELOAD", before)
        with machine.fast_mkl():
            *others, library = os.environ["LD_PRELOAD"].split()
            assert Path(library).read_text() == machine.IS_INTEL
        assert " ".join(others) == before == os.environ.get("LD_PRELOAD", "")
        assert not Path(library).exists()
    monkeypatch.setattr(machine.processor, "model", lambda: "Intel(R) Xeon(R)")
    with machine.fast_mkl():
        assert os.environ.get("LD_PRELOAD", "") == before


@pytest.mark.slow
def test_a_workload_is_measured_from_the_command_line():
    command = [sys.executable, "-m", "benchmarks", "order", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "| jnn | 1 | 1 |" in done.stdout
    assert "| sorting |" in done.stdout


def test_the_formula_of_attention_has_the_gradients_of_finite_differences():
    from benchmarks.gpu import by_formula

    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((1, 5, heads, 3)) for heads in (4, 2, 2))
    options = {"bias": rng.standard_normal((1, 4, 5, 5)), "mask": rng.random((5, 5)) < 0.8}
    value = lambda *operands: np.sum(np.sin(by_formula(*operands, True, options)[0]))
    _, slopes = by_formula(q, k, v, True, options)
    operands, step = (q, k, v), 1e-5
    directions = [rng.standard_normal(slope.shape) for slope in slopes]
    for i, (slope, direction) in enumerate(zip(slopes, directions, strict=True)):
        move = [step * direction if j == i else 0.0 for j in range(3)]
        ahead = value(*(a + b for a, b in zip(operands, move, strict=True)))
        behind = value(*(a - b for a, b in zip(operands, move, strict=True)))
        assert np.vdot(slope, direction) == pytest.approx((ahead - behind) / (2 * step), rel=1e-6)


@pytest.mark.slow
def test_the_script_for_a_gpu_runs_small_on_a_cpu(tmp_path):
    command = [sys.executable, "-m", "benchmarks.gpu", "--small", "--out", tmp_path / "gpu.json"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["laws"]["mlp"] == "hold"
    assert found["gpt2"]["batch 2"]["last_loss"] < found["gpt2"]["batch 2"]["first_loss"]
    assert found["experiments"]["digits"]["exit"] == 0
    errors = {name: each["error"] for name, each in found["attention"].items() if name != "seconds"}
    assert len(errors) > 30
    assert all(error < (1e-5 if "float32" in name else 0.01) for name, error in errors.items())
