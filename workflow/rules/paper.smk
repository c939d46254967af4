# The page of the paper (make paper): the panels of every grid, what further grids were made to find
# out, and the answer as a table. It reads the metrics table alone.
PAPER_FIGURES = [*results.paper_pages(CONFIG), *results.paper_findings(CONFIG)]


rule paper:
    input:
        "results/paper/report.html",
        "results/paper/table.csv",
        "results/report.html",
        expand(
            "results/paper/{figure}.{suffix}",
            figure=PAPER_FIGURES,
            suffix=["svg", "png"],
        ),


rule plot_page:
    input:
        metrics="results/metrics.csv",
    output:
        svg="results/paper/{grid}/{dataset}/{classifier}/{attack}.svg",
        png="results/paper/{grid}/{dataset}/{classifier}/{attack}.png",
    log:
        "results/logs/plot_page/{grid}/{dataset}/{classifier}/{attack}.log",
    benchmark:
        "results/benchmarks/plot_page/{grid}/{dataset}/{classifier}/{attack}.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=memory("plot_panels"),
        runtime=minutes("plot_panels"),
    params:
        spec=lambda wildcards: results.page_spec(CONFIG, wildcards.grid),
        corpus=lambda wildcards: CONFIG["datasets"][wildcards.dataset]["kind"],
        code=code("plot_page"),
    script:
        "../scripts/plot_page.py"


rule plot_finding:
    input:
        metrics="results/metrics.csv",
    output:
        svg="results/paper/{grid}/{finding}.svg",
        png="results/paper/{grid}/{finding}.png",
    log:
        "results/logs/plot_finding/{grid}/{finding}.log",
    benchmark:
        "results/benchmarks/plot_finding/{grid}/{finding}.tsv"
    wildcard_constraints:
        finding="map|training-length|poison-count",
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=memory("plot_panels"),
        runtime=minutes("plot_panels"),
    params:
        spec=lambda wildcards: results.finding_spec(CONFIG, wildcards.grid),
        code=code("plot_finding"),
    script:
        "../scripts/plot_finding.py"


rule write_paper:
    input:
        metrics="results/metrics.csv",
        figures=expand("results/paper/{figure}.png", figure=PAPER_FIGURES),
    output:
        html="results/paper/report.html",
        csv="results/paper/table.csv",
    log:
        "results/logs/write_paper.log",
    benchmark:
        "results/benchmarks/write_paper.tsv"
    conda:
        "../../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=memory("write_tables"),
        runtime=minutes("write_tables"),
    params:
        spec=results.paper_spec(CONFIG),
        code=code("write_paper"),
    script:
        "../scripts/write_paper.py"
