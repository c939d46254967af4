# The metrics table, the figures made from it, and the report that holds everything.
FIGURES = expand(
    "results/figures/{dataset}/{classifier}/{attack}/{figure}.{suffix}",
    dataset=GRID["datasets"],
    classifier=GRID["classifiers"],
    attack=GRID["attacks"],
    figure=[*PANELS, "page"],
    suffix=["svg", "png"],
)


RESULTS = result_keys()
TRAINED = [result for result in RESULTS if result["timing"]]


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
        timings=[result["timing"] for result in TRAINED],
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


rule plot_panels:
    input:
        metrics="results/metrics.csv",
    output:
        **{panel.replace("-", "_"): panel_figure(panel) for panel in PANELS},
        png=expand(
            "results/figures/{{dataset}}/{{classifier}}/{{attack}}/{panel}.png",
            panel=PANELS,
        ),
        page_svg=report(
            "results/figures/{dataset}/{classifier}/{attack}/page.svg",
            caption="../report/page.rst",
            category="Pages",
            labels={
                "dataset": "{dataset}",
                "classifier": "{classifier}",
                "attack": "{attack}",
            },
        ),
        page_png="results/figures/{dataset}/{classifier}/{attack}/page.png",
    log:
        "results/logs/plot_panels/{dataset}/{classifier}/{attack}.log",
    benchmark:
        "results/benchmarks/plot_panels/{dataset}/{classifier}/{attack}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=memory("plot_panels"),
        runtime=minutes("plot_panels"),
    params:
        spec={
            "titles": titles(),
            "defences": GRID["defences"],
            "fixed_trigger_size": GRID["fixed_trigger_size"],
            "fixed_poison_rate": float(GRID["fixed_poison_rate"]),
        },
        corpus=lambda wildcards: CONFIG["datasets"][wildcards.dataset]["kind"],
        code=code("plot_panels"),
    script:
        "../scripts/plot_panels.py"


rule write_tables:
    input:
        metrics="results/metrics.csv",
        triggers=expand(
            "results/{dataset}/seed-{seed}/attacks/{attack}/trigger.json",
            dataset=GRID["datasets"],
            seed=GRID["seeds"],
            attack=GRID["attacks"],
        ),
    output:
        summary=report(
            "results/tables/summary.html",
            caption="../report/summary.rst",
            category="Tables",
            labels={"table": "mean and 95 % interval over seeds"},
        ),
        triggers=report(
            "results/tables/triggers.html",
            caption="../report/triggers.rst",
            category="Tables",
            labels={"table": "triggers"},
        ),
        config=report(
            "results/tables/config.html",
            caption="../report/config.rst",
            category="Run",
            labels={"table": "configuration"},
        ),
        environment=report(
            "results/tables/environment.html",
            caption="../report/environment.rst",
            category="Run",
            labels={"table": "environment"},
        ),
        config_yaml="results/config.yaml",
    log:
        "results/logs/write_tables.log",
    benchmark:
        "results/benchmarks/write_tables.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=memory("write_tables"),
        runtime=minutes("write_tables"),
    params:
        config=CONFIG,
        titles=titles(),
        code=code("write_tables"),
    script:
        "../scripts/write_tables.py"


# Snakemake's own report, as a file with inputs: it is made anew when, and only when, one of the
# things that it holds was. The nested call reads the configuration of this very run.
rule write_report:
    input:
        figures=FIGURES,
        metrics="results/metrics.csv",
        timings="results/timings.csv",
        tables=rules.write_tables.output,
        captions=sorted(map(str, Path("workflow/report").glob("*.rst"))),
    output:
        report="results/report.html",
    log:
        "results/logs/write_report.log",
    benchmark:
        "results/benchmarks/write_report.tsv"
    localrule: True
    conda:
        "../../envs/report.yaml"
    threads: 1
    params:
        # Relative, so that a tree that was moved is not built anew.
        snakefile=os.path.relpath(workflow.main_snakefile),
        code=code("write_report"),
    script:
        "../scripts/write_report.py"
