# A trigger per attack (the longest; shorter ones are its prefixes) and the poison of every cell.


rule select_trigger:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
        detector="results/{dataset}/seed-{seed}/surrogate",
        explanations="results/{dataset}/seed-{seed}/shap.h5",
    output:
        trigger="results/{dataset}/seed-{seed}/triggers/{attack}.json",
    log:
        "results/logs/select_trigger/{dataset}/seed-{seed}/{attack}.log",
    benchmark:
        "results/benchmarks/select_trigger/{dataset}/seed-{seed}/{attack}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("select_trigger"),
        runtime=minutes("select_trigger"),
        device="cpu",
    params:
        spec=lambda wildcards: {
            "attack": part("attacks", wildcards.attack),
            "size": LONGEST_TRIGGER,
        },
        surrogate=part("classifiers", CONFIG["surrogate"]["classifier"]),
        code=lambda wildcards: code(
            "select_trigger",
            attacks=wildcards.attack,
            classifiers=CONFIG["surrogate"]["classifier"],
        ),
    script:
        "../scripts/select_trigger.py"


rule poison_rows:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
        trigger=trigger_of,
    output:
        poison="results/{dataset}/seed-{seed}/{cell}/poison.h5",
    log:
        "results/logs/poison_rows/{dataset}/seed-{seed}/{cell}.log",
    benchmark:
        "results/benchmarks/poison_rows/{dataset}/seed-{seed}/{cell}.tsv"
    wildcard_constraints:
        cell=POISONED,
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory("poison_rows"),
        runtime=minutes("poison_rows"),
    params:
        spec=lambda wildcards: {
            "attack": part("attacks", cell_of(wildcards).attack),
            "size": cell_of(wildcards).size,
            "rate": cell_of(wildcards).rate,
        },
        code=lambda wildcards: code("poison_rows", attacks=cell_of(wildcards).attack),
    script:
        "../scripts/poison_rows.py"
