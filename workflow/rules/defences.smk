# What victims share: one autoencoder per cell, for the defences that name it, and the rows of a cell
# that a defence chooses, for all classifiers.


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


# The rows that the first steps of a defence leave, where these do nothing else: see chooses_rows.
rule choose_rows:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
        poison=poison_of,
    output:
        choice="results/{dataset}/seed-{seed}/{cell}/row-choices/{defence}.h5",
        cost="results/{dataset}/seed-{seed}/{cell}/row-choices/{defence}.cost.json",
    log:
        "results/logs/choose_rows/{dataset}/seed-{seed}/{cell}/{defence}.log",
    benchmark:
        "results/benchmarks/choose_rows/{dataset}/seed-{seed}/{cell}/{defence}.tsv"
    wildcard_constraints:
        dataset=batches.alone(CONFIG, ROW_CHOICES),
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("choose_rows"),
        runtime=minutes("choose_rows"),
        device="cpu",
    params:
        spec=lambda wildcards: specs.row_choice_spec(CONFIG, wildcards.defence),
        cell=cell_extent,
        seed=seed_of("initialisation"),
        threads=THREADS,
        precision=PRECISION,
        code=row_choice_code("choose_rows"),
    script:
        "../scripts/choose_rows.py"


# The same with several seeds: a rule for each batch, since outputs cannot be functions.
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

    CHOSEN = [
        f"results/{{dataset}}/seed-{seed}/{{cell}}/row-choices/{{defence}}"
        for seed in SEEDS
    ]

    rule:
        name:
            f"choose_rows_{NAME}"
        input:
            vectors=[f"results/{{dataset}}/seed-{seed}/vectors.h5" for seed in SEEDS],
            poison=each_seed(SEEDS, poison_of),
        output:
            choice=[f"{stem}.h5" for stem in CHOSEN],
            cost=[f"{stem}.cost.json" for stem in CHOSEN],
        log:
            f"results/logs/choose_rows/{{dataset}}/{NAME}/{{cell}}/{{defence}}.log",
        benchmark:
            f"results/benchmarks/choose_rows/{{dataset}}/{NAME}/{{cell}}/{{defence}}.tsv"
        wildcard_constraints:
            dataset=batches.together(CONFIG, ROW_CHOICES, SEEDS),
        conda:
            "../../envs/training.yaml"
        threads: THREADS
        resources:
            mem_mb=memory("choose_rows"),
            runtime=minutes("choose_rows", times=lambda wildcards, n=len(SEEDS): n),
            device="cpu",
        params:
            spec=lambda wildcards: specs.row_choice_spec(CONFIG, wildcards.defence),
            cell=cell_extent,
            seed=each_seed(SEEDS, seed_of("initialisation")),
            threads=THREADS,
            precision=PRECISION,
            code=row_choice_code("choose_rows_seeds"),
        script:
            "../scripts/choose_rows_seeds.py"
