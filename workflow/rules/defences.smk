# The trained part of the defences: one autoencoder per cell, shared by the defences that name it.


rule train_autoencoder:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
        poison=poison_of,
    output:
        autoencoder="results/{dataset}/seed-{seed}/{cell}/autoencoders/{autoencoder}.safetensors",
        cost="results/{dataset}/seed-{seed}/{cell}/autoencoders/{autoencoder}.cost.json",
    log:
        "results/logs/train_autoencoder/{dataset}/seed-{seed}/{cell}/{autoencoder}.log",
    benchmark:
        "results/benchmarks/train_autoencoder/{dataset}/seed-{seed}/{cell}/{autoencoder}.tsv"
    wildcard_constraints:
        seed=KEPT_SEEDS,
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("train_autoencoder"),
        runtime=minutes(
            "train_autoencoder",
            times=lambda wildcards: specs.epochs(
                CONFIG, "autoencoders", wildcards.autoencoder
            ),
        ),
        gpu=GPU,
        device=DEVICE,
    params:
        spec=lambda wildcards: specs.part_spec(
            CONFIG, "autoencoders", wildcards.autoencoder
        ),
        cell=cell_extent,
        seed=seed_of("initialisation"),
        threads=THREADS,
        precision=PRECISION,
        code=lambda wildcards: code(
            "train_autoencoder", autoencoders=wildcards.autoencoder
        ),
    script:
        "../scripts/train_autoencoder.py"


# The same, deleted as soon as the detectors that hold it are trained: see compute.keep_models.
use rule train_autoencoder as train_temporary_autoencoder with:
    output:
        autoencoder=temp(
            "results/{dataset}/seed-{seed}/{cell}/autoencoders/{autoencoder}.safetensors"
        ),
        cost="results/{dataset}/seed-{seed}/{cell}/autoencoders/{autoencoder}.cost.json",
    wildcard_constraints:
        seed=OTHER_SEEDS,
