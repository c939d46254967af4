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
        dataset=batches.alone(CONFIG, AUTOENCODERS),
        seed=KEPT_SEEDS,
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("train_autoencoder"),
        runtime=minutes("train_autoencoder", times=autoencoder_epochs),
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
        dataset=batches.alone(CONFIG, AUTOENCODERS),
        seed=OTHER_SEEDS,


# Both with several seeds: a rule for each batch, since outputs cannot be functions.
for SEEDS in BATCHES:
    NAME = batches.batch_name(SEEDS)
    STEMS = {
        seed: f"results/{{dataset}}/seed-{seed}/{{cell}}/autoencoders/{{autoencoder}}"
        for seed in SEEDS
    }

    rule:
        name:
            f"train_autoencoder_{NAME}"
        input:
            vectors=[f"results/{{dataset}}/seed-{seed}/vectors.h5" for seed in SEEDS],
            poison=each_seed(SEEDS, poison_of),
        output:
            autoencoder=[
                kept_or_temporary(seed, f"{stem}.safetensors")
                for seed, stem in STEMS.items()
            ],
            cost=[f"{stem}.cost.json" for stem in STEMS.values()],
        log:
            f"results/logs/train_autoencoder/{{dataset}}/{NAME}/{{cell}}/{{autoencoder}}.log",
        benchmark:
            f"results/benchmarks/train_autoencoder/{{dataset}}/{NAME}/{{cell}}/{{autoencoder}}.tsv"
        wildcard_constraints:
            dataset=batches.together(CONFIG, AUTOENCODERS, SEEDS),
        conda:
            "../../envs/training.yaml"
        threads: THREADS
        resources:
            mem_mb=memory("train_autoencoder"),
            runtime=minutes(
                "train_autoencoder", times=times_seeds(SEEDS, autoencoder_epochs)
            ),
            gpu=GPU,
            device=DEVICE,
        params:
            spec=lambda wildcards: specs.part_spec(
                CONFIG, "autoencoders", wildcards.autoencoder
            ),
            cell=cell_extent,
            seed=each_seed(SEEDS, seed_of("initialisation")),
            threads=THREADS,
            precision=PRECISION,
            code=lambda wildcards: code(
                "train_autoencoder_seeds", autoencoders=wildcards.autoencoder
            ),
        script:
            "../scripts/train_autoencoder_seeds.py"
