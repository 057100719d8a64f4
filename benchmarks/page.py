"""The tables of README.md and the picture of results, from the files in ``results``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.workloads import WORKLOADS
from jnn import files

HERE = Path(__file__).parent
RESULTS, PAGE, PICTURE = HERE / "results", HERE / "README.md", HERE / "results" / "ratios.svg"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"
LIBRARIES = {
    title: [name for name, way in workload.ways.items() if way.make.startswith("peers.")]
    for title, workload in WORKLOADS.items()
    if "jnn" in workload.ways and workload.ways["jnn"].make.startswith("peers.")
}
"""The workloads that compare libraries, not parts of jnn, with their ways: those of the picture."""
QUIET = 0.1  # cores; with others busier than that, a table says so


def results() -> dict[str, dict[str, Any]]:
    """All results, by processor."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}


def merged(
    kept: Mapping[str, Any], name: str, result: Mapping[str, Any], here: Mapping[str, Any]
) -> dict[str, Any]:
    """The results of a processor with a new one among them.

    The peak is the highest rate that was ever measured, since a busy machine shows a lower one.
    What is not installed now keeps the version that it was measured with.
    """
    earlier = kept.get("machine", {"versions": {}, "peak_gflops": {}})
    old, new = earlier["peak_gflops"], here["peak_gflops"]
    peaks = {way: max(old.get(way, 0), new.get(way, 0)) for way in old | new}
    versions = earlier["versions"] | here["versions"]
    before = {"versions": earlier["versions"]}  # of results that do not say
    workloads = {title: before | entry for title, entry in kept.get("workloads", {}).items()}
    workloads[name] = {**result, "versions": here["versions"]}
    return {
        "machine": {**here, "versions": versions, "peak_gflops": peaks},
        "workloads": {title: workloads[title] for title in WORKLOADS if title in workloads},
    }


def section(record: Mapping[str, Any]) -> str:
    """One processor's tables, as Markdown."""
    host, peak = record["machine"], max(record["machine"]["peak_gflops"].values())
    kinds = ", ".join(kind.upper().replace("_TILE", "") for kind in host["instructions"])
    rates = ", ".join(f"{rate} by {name}" for name, rate in host["peak_gflops"].items())
    lines = [
        f"### {host['processor']} ({kinds}), {host['cores']} cores",
        "",
        f"Python {host['python']}, {_listed(host['versions'])}. "
        f"A product of 2048 x 2048: {rates} GFLOP/s.",
    ]
    for name, result in record["workloads"].items():
        lines += ["", *table(name, result, peak)]
        measured = result.get("versions", {}).items()
        if others := {package: v for package, v in measured if host["versions"][package] != v}:
            lines += ["", f"Measured with {_listed(others)}."]
    return "\n".join(lines)


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def table(name: str, result: Mapping[str, Any], peak: float) -> list[str]:
    """The lines of one workload."""
    others = result["cores_busy_with_others"]
    title = f"**{name}**: {result['about']}"
    if others is None or others > QUIET:
        busy = "an unknown number of cores" if others is None else f"{others:g} cores"
        title += f" (a busy machine: others kept {busy})"
    head = ["way", "time / first way", "processor time / first way", "median time", "compilation"]
    if result["flops"]:
        head.append("of the peak")
    lines = [title, "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for i, (way, row) in enumerate(result["ways"].items()):
        ratio = f"{number(row['ratio'])} ({number(row['low'])} to {number(row['high'])})"
        cells = [way, ratio if i else "1", number(row["processor_ratio"]) if i else "1"]
        cells += [duration(row["median_seconds"]), f"{row['compilation_seconds']:.1f} s"]
        if result["flops"]:
            share = result["flops"] / row["least_seconds"] / peak / 1e9
            cells.append(f"{100 * share:.0f} %")
        lines.append(f"| {' | '.join(cells)} |")
    if result["missing"]:
        lines += ["", f"Not available: {', '.join(sorted(set(result['missing'].values())))}."]
    return lines


def page(text: str, records: Mapping[str, Mapping[str, Any]]) -> str:
    """The page with the results between its two marks."""
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    sections = "".join(f"\n{section(record)}\n\n" for record in records.values())
    return f"{before}{BEGIN}\n{sections}{END}{after}"


def picture(records: Mapping[str, Mapping[str, Any]]):
    """The ratios of all libraries to jnn, a panel for each processor."""
    from matplotlib.figure import Figure

    drawn = {
        name: {
            workload: {
                way: summary
                for way, summary in result["ways"].items()
                if way in LIBRARIES[workload]
            }
            for workload, result in record["workloads"].items()
            if workload in LIBRARIES and len(result["ways"]) > 1
        }
        for name, record in records.items()
    }
    rows = [name for name in WORKLOADS if any(name in workloads for workloads in drawn.values())]
    ways = dict.fromkeys(
        way
        for workloads in drawn.values()
        for summaries in workloads.values()
        for way in summaries
        if way != "jnn"
    )
    figure = Figure((1.5 + 5 * len(records), 1.6 + 0.3 * len(rows)), layout="constrained")
    panels = figure.subplots(1, len(records), sharey=True, squeeze=False)[0]
    marks = "osD^vP*X<>ph"
    for panel, (name, workloads) in zip(panels, drawn.items(), strict=True):
        for i, way in enumerate(ways):
            points = [
                (summaries[way]["ratio"], rows.index(workload))
                for workload, summaries in workloads.items()
                if way in summaries
            ]
            if points:
                x, y = zip(*points, strict=True)
                panel.plot(x, y, marks[i % len(marks)], label=way, color=f"C{i % 10}", alpha=0.8)
        panel.axvline(1, color="black", linewidth=1)
        panel.set_xscale("log")
        low, high = panel.get_xlim()
        ticks = [2.0**k for k in range(-12, 13) if low <= 2.0**k <= high]
        panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.minorticks_off()
        panel.set_title(records[name]["machine"]["processor"], fontsize=9)
        panel.set_xlabel("time / jnn's time (left of the line: faster than jnn)")
        panel.grid(alpha=0.3)
    panels[0].set_yticks(range(len(rows)), rows)
    panels[0].invert_yaxis()
    handles = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            handles[label] = handle
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=3, fontsize=8
    )
    return figure


def number(value: float) -> str:
    """A ratio, short."""
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    units = ((1, "s"), (1e-3, "ms"), (1e-6, "us"))
    scale, unit = next(((s, u) for s, u in units if seconds >= s), units[-1])
    return f"{seconds / scale:.3g} {unit}"


def keep(name: str, result: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Put a result into the file of this processor, and bring the page and the picture up to date.

    All are made before the first is written, and each replaces its file at once: what interrupts
    later workloads leaves those that are done.
    """
    RESULTS.mkdir(exist_ok=True)
    path, records = RESULTS / f"{machine.slug()}.json", results()
    records[path.stem] = merged(records.get(path.stem, {}), name, result, here)
    records = dict(sorted(records.items()))
    text, figure = page(PAGE.read_text(), records), picture(records)
    rows = json.dumps(records[path.stem], indent=1, ensure_ascii=False)
    with files.replacing(PICTURE) as temporary:
        figure.savefig(temporary, metadata={"Date": None})
    files.write_text(path, f"{rows}\n")
    files.write_text(PAGE, text)
