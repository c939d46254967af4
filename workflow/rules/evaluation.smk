# The two tables: what every run measured, and what it cost.
RUNS = results.grid_runs(CONFIG)
TRAINED = [run for run in RUNS if run["cost"]]


rule collect_metrics:
    input:
        scores=sorted({run["scores"] for run in RUNS}),
        evasion=sorted({run["evasion"] for run in RUNS} - {None}),
        schema=own_file("schemas/metrics.schema.yaml"),
    output:
        metrics=report(
            "results/metrics.csv",
            caption="../report/metrics.rst",
            category="Tables",
            labels={"table": "metrics, one row per run (CSV)"},
        ),
        checksum="results/metrics.csv.sha256",
    log:
        "results/logs/collect_metrics.log",
    benchmark:
        "results/benchmarks/collect_metrics.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory("collect_metrics"),
        runtime=minutes("collect_metrics"),
    params:
        runs=RUNS,
        code=code("collect_metrics"),
    script:
        "../scripts/collect_metrics.py"


rule collect_timings:
    input:
        timings=[run["cost"] for run in TRAINED],
        schema=own_file("schemas/timings.schema.yaml"),
    output:
        timings=report(
            "results/timings.csv",
            caption="../report/timings.rst",
            category="Tables",
            labels={"table": "timings, one row per run (CSV)"},
        ),
        checksum="results/timings.csv.sha256",
    log:
        "results/logs/collect_timings.log",
    benchmark:
        "results/benchmarks/collect_timings.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory("collect_timings"),
        runtime=minutes("collect_timings"),
    params:
        runs=TRAINED,
        code=code("collect_timings"),
    script:
        "../scripts/collect_timings.py"
