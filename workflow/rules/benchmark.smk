# The reference benchmark: all attacks against all defences, in order, from the two tables.
BENCHMARK_FIGURES = {
    "pareto": "accuracy against worst ASR",
    "heatmap": "ASR by attack and defence",
}

BENCHMARK_PAGES = {
    "attacks": "attacks without a defence",
    "leaderboard": "leaderboard",
    "details": "leaderboard in detail",
}


rule benchmark:
    input:
        "results/benchmark/report.html",
        "results/benchmark/leaderboard.md",
        "results/metrics.csv",
        "results/timings.csv",


rule write_leaderboard:
    input:
        metrics="results/metrics.csv",
        timings="results/timings.csv",
    output:
        markdown=expand("results/benchmark/{page}.md", page=BENCHMARK_PAGES),
        csv=report(
            "results/benchmark/leaderboard.csv",
            caption="../report/leaderboard.rst",
            category="Benchmark",
            labels={"table": "leaderboard, one row per cell (CSV)"},
        ),
        order="results/benchmark/standings.csv",
        html=[
            report(
                f"results/benchmark/{page}.html",
                caption=f"../report/{page}.rst",
                category="Benchmark",
                labels={"table": label},
            )
            for page, label in BENCHMARK_PAGES.items()
        ],
        figures=[
            report(
                f"results/benchmark/{figure}.svg",
                caption=f"../report/{figure}.rst",
                category="Benchmark",
                labels={"table": label},
            )
            for figure, label in BENCHMARK_FIGURES.items()
        ],
        png=expand("results/benchmark/{figure}.png", figure=BENCHMARK_FIGURES),
        defences=expand(
            "results/benchmark/defences/{defence}.md", defence=GRID["defences"]
        ),
    log:
        "results/logs/write_leaderboard.log",
    benchmark:
        "results/benchmarks/write_leaderboard.tsv"
    # It asks the classes what defences assume and whether attacks flip labels, and imports them.
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory("write_leaderboard"),
        runtime=minutes("write_leaderboard"),
    params:
        study=results.benchmark_study(CONFIG),
        # Not while the workflow is parsed: most runs make no leaderboard.
        code=lambda wildcards: code(
            "write_leaderboard", attacks=GRID["attacks"], defences=GRID["defences"]
        ),
    script:
        "../scripts/write_leaderboard.py"


# The report of a benchmark: the leaderboard instead of the panels, of which there would be hundreds.
use rule write_report as write_benchmark_report with:
    input:
        figures=rules.write_leaderboard.output.figures,
        metrics="results/metrics.csv",
        timings="results/timings.csv",
        tables=[
            *rules.write_leaderboard.output.html,
            rules.write_leaderboard.output.csv,
            *rules.write_tables.output,
        ],
        captions=CAPTIONS,
        stylesheet=REPORT_STYLE,
    output:
        report="results/benchmark/report.html",
    log:
        "results/logs/write_benchmark_report.log",
    benchmark:
        "results/benchmarks/write_benchmark_report.tsv"
