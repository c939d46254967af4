# The figures made from the metrics table, and the report that holds everything.
FIGURES = expand(
    "results/figures/{dataset}/{classifier}/{attack}/{figure}.{suffix}",
    dataset=GRID["datasets"],
    classifier=GRID["classifiers"],
    attack=GRID["attacks"],
    figure=[*PANELS, "page"],
    suffix=["svg", "png"],
)
ANSWERS = expand(
    "results/figures/{dataset}/{classifier}/answer.{suffix}",
    dataset=GRID["datasets"],
    classifier=GRID["classifiers"],
    suffix=["svg", "png"],
)
# Relative, so that a tree that was moved is not built anew.
REPORT_STYLE = own_file("report/report.css")
CAPTIONS = sorted(
    own_file(f"report/{path.name}") for path in (WORKFLOW / "report").glob("*.rst")
)
# N and p at which every attack is set against every defence.
ANSWER_CELL = answer_cell(GRID)


rule plot_panels:
    input:
        metrics="results/metrics.csv",
    output:
        svg=[panel_figure(panel) for panel in PANELS],
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
            "titles": results.titles(CONFIG, GRID),
            "defences": GRID["defences"],
            "fixed_trigger_size": GRID["fixed_trigger_size"],
            "fixed_poison_rate": float(GRID["fixed_poison_rate"]),
        },
        corpus=lambda wildcards: CONFIG["datasets"][wildcards.dataset]["kind"],
        code=code("plot_panels"),
    script:
        "../scripts/plot_panels.py"


rule plot_answer:
    input:
        metrics="results/metrics.csv",
    output:
        svg=report(
            "results/figures/{dataset}/{classifier}/answer.svg",
            caption="../report/answer.rst",
            category="Answer",
            labels={
                "dataset": "{dataset}",
                "classifier": "{classifier}",
                "shown": "figure",
            },
        ),
        png="results/figures/{dataset}/{classifier}/answer.png",
    log:
        "results/logs/plot_answer/{dataset}/{classifier}.log",
    benchmark:
        "results/benchmarks/plot_answer/{dataset}/{classifier}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=memory("plot_answer"),
        runtime=minutes("plot_answer"),
    params:
        spec={"titles": results.titles(CONFIG, GRID), **ANSWER_CELL},
        code=code("plot_answer"),
    script:
        "../scripts/plot_answer.py"


# A piece of HTML, which the text of the report takes in: workflow/report/workflow.rst.
rule write_answer:
    input:
        metrics="results/metrics.csv",
        figures=expand(
            rules.plot_answer.output.svg,
            dataset=GRID["datasets"],
            classifier=GRID["classifiers"],
        ),
    output:
        answer=report(
            "results/tables/answer.html",
            caption="../report/answer.rst",
            category="Answer",
            labels={
                "dataset": "all",
                "classifier": "all",
                "shown": "tables and figures",
            },
        ),
    log:
        "results/logs/write_answer.log",
    benchmark:
        "results/benchmarks/write_answer.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=memory("write_answer"),
        runtime=minutes("write_answer"),
    params:
        spec={"titles": results.titles(CONFIG, GRID), **ANSWER_CELL},
        code=code("write_answer"),
    script:
        "../scripts/write_answer.py"


rule write_tables:
    input:
        metrics="results/metrics.csv",
        triggers=results.trigger_files(CONFIG),
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
        config=configuration.used_methods(CONFIG),
        titles=results.titles(CONFIG),
        code=code("write_tables"),
    script:
        "../scripts/write_tables.py"


# Snakemake's own report, as a file with inputs: it is made anew when, and only when, one of the
# things that it holds was. The nested call reads the configuration of this very run.
rule write_report:
    input:
        figures=[*ANSWERS, *FIGURES],
        metrics="results/metrics.csv",
        timings="results/timings.csv",
        tables=[rules.write_answer.output.answer, *rules.write_tables.output],
        captions=CAPTIONS,
        stylesheet=REPORT_STYLE,
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
