# From raw EMBER rows to metrics, figures and one report. Public targets: all (the default),
# metrics, figures, benchmark, paper, search_settings, realism, audit; each stage of the way is one
# file under workflow/rules.
from snakemake.utils import min_version

min_version("9.20")


# Of this folder, whatever folder the results go to.
configfile: f"{workflow.current_basedir}/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/corpus.smk"
include: "workflow/rules/surrogate.smk"
include: "workflow/rules/attacks.smk"
include: "workflow/rules/defences.smk"
include: "workflow/rules/victims.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/realism.smk"
include: "workflow/rules/benchmark.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/audit.smk"


rule all:
    default_target: True
    input:
        "results/report.html",
        "results/metrics.csv",
        "results/timings.csv",
        ANSWERS,
        FIGURES,


rule metrics:
    input:
        "results/metrics.csv",
        "results/timings.csv",


rule figures:
    input:
        ANSWERS,
        FIGURES,


onstart:
    check_gpu()
    lift_default_rate(workflow.scheduler)
