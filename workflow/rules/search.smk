# What the paper leaves open is chosen on clean data by validation loss (docs/choices.md).


rule search_settings:
    input:
        expand(
            "results/search/{dataset}/{kind}.csv",
            dataset=GRID["datasets"],
            kind=[
                kind
                for kind in ("classifiers", "autoencoders")
                if CONFIG["search"][kind]
            ],
        ),


rule search_parts:
    input:
        vectors=lambda wildcards: (
            f"results/{wildcards.dataset}/seed-{CONFIG['search']['seed']}/vectors.h5"
        ),
    output:
        table="results/search/{dataset}/{kind}.csv",
    log:
        "results/logs/search_parts/{dataset}/{kind}.log",
    benchmark:
        "results/benchmarks/search_parts/{dataset}/{kind}.tsv"
    wildcard_constraints:
        kind="classifiers|autoencoders",
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("train_surrogate"),
        runtime=minutes(
            "train_surrogate",
            times=lambda wildcards: specs.search_epochs(CONFIG, wildcards.kind),
        ),
        gpu=GPU,
        device=DEVICE,
    params:
        spec=lambda wildcards: specs.search_spec(CONFIG, wildcards.kind),
        threads=THREADS,
        precision=PRECISION,
        code=lambda wildcards: code("search_parts"),
    script:
        "../scripts/search_parts.py"
