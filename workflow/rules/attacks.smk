# The trigger of every attack, and its poison. One file of each serves all cells: a shorter trigger
# and the rows of a smaller rate are the first of those there.


rule plant_trigger:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
        detector=lambda wildcards: f"{surrogate_folder(wildcards)}/detector",
        explanations=lambda wildcards: f"{surrogate_folder(wildcards)}/shap.h5",
    output:
        trigger="results/{dataset}/seed-{seed}/attacks/{attack}/trigger.json",
        poison="results/{dataset}/seed-{seed}/attacks/{attack}/poison.h5",
    log:
        "results/logs/plant_trigger/{dataset}/seed-{seed}/{attack}.log",
    benchmark:
        "results/benchmarks/plant_trigger/{dataset}/seed-{seed}/{attack}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("plant_trigger"),
        runtime=planting_minutes,
        device="cpu",
    params:
        spec=lambda wildcards: specs.attack_spec(CONFIG, wildcards.attack),
        seed=seed_of("poison"),
        precision=PRECISION,
        surrogate=lambda wildcards: specs.part_spec(
            CONFIG, "classifiers", specs.surrogate_of(CONFIG, wildcards.attack)
        ),
        code=lambda wildcards: code(
            "plant_trigger",
            attacks=wildcards.attack,
            classifiers=specs.surrogate_of(CONFIG, wildcards.attack),
        ),
    script:
        "../scripts/plant_trigger.py"
