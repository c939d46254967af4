"""Draw the four panels of one attack, each alone and together on a page."""

from dokunuki.evaluation.metrics import read_metrics
from dokunuki.evaluation.summary import summarise
from dokunuki.figures.panels import View, write_page, write_panel
from dokunuki.figures.style import defence_styles
from dokunuki.job import logged

PANELS = [
    ("asr_over_n", "asr", "trigger_size"),
    ("asr_over_p", "asr", "poison_rate"),
    ("accuracy_over_n", "accuracy", "trigger_size"),
    ("accuracy_over_p", "accuracy", "poison_rate"),
]

with logged(snakemake.log[0]):
    spec, wanted = snakemake.params.spec, snakemake.wildcards
    titles = spec["titles"]
    view = View(
        dataset=wanted.dataset,
        corpus=snakemake.params.corpus,
        attack=wanted.attack,
        classifier=wanted.classifier,
        dataset_label=titles["datasets"][wanted.dataset],
        attack_label=titles["attacks"][wanted.attack],
        classifier_label=titles["classifiers"][wanted.classifier],
        styles=defence_styles(titles["defences"]),
    )
    summary = summarise(read_metrics(snakemake.input.metrics))
    # What is held fixed while the other one varies.
    fixed = {"trigger_size": spec["fixed_poison_rate"], "poison_rate": spec["fixed_trigger_size"]}
    for (name, measure, axis), png in zip(PANELS, snakemake.output.png, strict=True):
        write_panel(snakemake.output[name], png, summary, view, measure, axis, fixed[axis])
    write_page(
        snakemake.output.page_svg,
        snakemake.output.page_png,
        summary,
        view,
        fixed_rate=spec["fixed_poison_rate"],
        fixed_size=spec["fixed_trigger_size"],
    )
