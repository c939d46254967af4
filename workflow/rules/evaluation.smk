# The two tables: what every run measured, and what it cost.
RESULTS = results.grid_runs(CONFIG)
TRAINED = [result for result in RESULTS if result["cost"]]


rule collect_metrics:
    input:
        scores=sorted({result["scores"] for result in RESULTS}),
        evasion=sorted({result["evasion"] for result in RESULTS} - {None}),
        schema="workflow/schemas/metrics.schema.yaml",
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
        cells=RESULTS,
        code=code("collect_metrics"),
    script:
        "../scripts/collect_metrics.py"


rule collect_timings:
    input:
        timings=[result["cost"] for result in TRAINED],
        schema="workflow/schemas/timings.schema.yaml",
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
        cells=TRAINED,
        code=code("collect_timings"),
    script:
        "../scripts/collect_timings.py"
