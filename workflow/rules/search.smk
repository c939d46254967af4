# What the paper leaves open is chosen on clean rows, by distance to its clean accuracies
# (docs/choices.md). All settings are tried on the first of the search's seeds, the nearest on the
# others too. Nothing here depends on an attack.


rule search_settings:
    input:
        expand(
            "results/search/{dataset}/{kind}.csv",
            dataset=GRID["datasets"],
            kind=[kind for kind, tried in TRIALS.items() if tried],
        ),


rule try_settings:
    input:
        vectors=f"results/{{dataset}}/seed-{SEARCH['seeds'][0]}/vectors.h5",
        classifiers=chosen_classifiers,
    output:
        result="results/search/{dataset}/{kind}/trial-{trial}.json",
    log:
        "results/logs/try_settings/{dataset}/{kind}/trial-{trial}.log",
    benchmark:
        "results/benchmarks/try_settings/{dataset}/{kind}/trial-{trial}.tsv"
    wildcard_constraints:
        kind="classifiers|autoencoders",
        trial=r"\d{3}",
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("try_settings"),
        runtime=minutes(
            "try_settings",
            times=lambda wildcards: specs.trial_epochs(CONFIG, wildcards.kind),
        ),
        gpu=GPU,
        device=DEVICE,
    params:
        spec=lambda wildcards: specs.trial_spec(
            CONFIG,
            wildcards.kind,
            {"settings": TRIALS[wildcards.kind][int(wildcards.trial)]},
        ),
        seed=SEARCH["seeds"][0],
        threads=THREADS,
        precision=PRECISION,
        code=trial_code("try_settings"),
    script:
        "../scripts/try_settings.py"


rule shortlist_settings:
    input:
        results=trial_results,
    output:
        shortlist="results/search/{dataset}/{kind}/shortlist.json",
    log:
        "results/logs/shortlist_settings/{dataset}/{kind}.log",
    benchmark:
        "results/benchmarks/shortlist_settings/{dataset}/{kind}.tsv"
    wildcard_constraints:
        kind="classifiers|autoencoders",
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory("write_tables"),
        runtime=minutes("write_tables"),
    params:
        size=SEARCH["shortlist"],
        code=code("shortlist_settings"),
    script:
        "../scripts/shortlist_settings.py"


use rule try_settings as try_shortlisted with:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
        classifiers=chosen_classifiers,
        shortlist="results/search/{dataset}/{kind}/shortlist.json",
    output:
        result="results/search/{dataset}/{kind}/rank-{rank}-seed-{seed}.json",
    log:
        "results/logs/try_shortlisted/{dataset}/{kind}/rank-{rank}-seed-{seed}.log",
    benchmark:
        "results/benchmarks/try_shortlisted/{dataset}/{kind}/rank-{rank}-seed-{seed}.tsv"
    wildcard_constraints:
        kind="classifiers|autoencoders",
        rank=r"\d{3}",
    params:
        spec=lambda wildcards: specs.trial_spec(
            CONFIG, wildcards.kind, {"rank": int(wildcards.rank)}
        ),
        seed=lambda wildcards: int(wildcards.seed),
        threads=THREADS,
        precision=PRECISION,
        code=trial_code("try_settings"),


rule choose_settings:
    input:
        results=lambda wildcards: trial_results(wildcards)
        + shortlisted_results(wildcards),
    output:
        table="results/search/{dataset}/{kind}.csv",
    log:
        "results/logs/choose_settings/{dataset}/{kind}.log",
    benchmark:
        "results/benchmarks/choose_settings/{dataset}/{kind}.tsv"
    wildcard_constraints:
        kind="classifiers|autoencoders",
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory("write_tables"),
        runtime=minutes("write_tables"),
    params:
        code=code("choose_settings"),
    script:
        "../scripts/choose_settings.py"
