# The victims: one detector per run, and its scores. A run is a cell with a seed, a defence and a
# classifier. The unpoisoned detector is the same defence and classifier without poison.
#
# A job trains one run, or one run with several seeds where a study says so: compute.seeds_a_job.


rule train_unpoisoned:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
        autoencoder=autoencoder_files,
        row_choice=row_choice_files,
    output:
        detector=directory(
            "results/{dataset}/seed-{seed}/unpoisoned/{defence}/{classifier}/detector"
        ),
        scores="results/{dataset}/seed-{seed}/unpoisoned/{defence}/{classifier}/scores.h5",
        cost="results/{dataset}/seed-{seed}/unpoisoned/{defence}/{classifier}/cost.json",
    log:
        "results/logs/train_unpoisoned/{dataset}/seed-{seed}/{defence}/{classifier}.log",
    benchmark:
        "results/benchmarks/train_unpoisoned/{dataset}/seed-{seed}/{defence}/{classifier}.tsv"
    wildcard_constraints:
        dataset=batches.alone(CONFIG, UNPOISONED_RUNS),
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("train_unpoisoned"),
        runtime=minutes("train_unpoisoned", times=victim_epochs),
        gpu=GPU,
        device=DEVICE,
    params:
        spec=victim_spec,
        seed=seed_of("initialisation"),
        threads=THREADS,
        precision=PRECISION,
        code=victim_code("train_unpoisoned"),
    script:
        "../scripts/train_unpoisoned.py"


rule train_victim:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
        poison=poison_of,
        trigger=trigger_of,
        autoencoder=autoencoder_files,
        row_choice=row_choice_files,
        unpoisoned="results/{dataset}/seed-{seed}/unpoisoned/{defence}/{classifier}/scores.h5",
    output:
        scores="results/{dataset}/seed-{seed}/{cell}/{defence}/{classifier}/scores.h5",
        cost="results/{dataset}/seed-{seed}/{cell}/{defence}/{classifier}/cost.json",
    log:
        "results/logs/train_victim/{dataset}/seed-{seed}/{cell}/{defence}/{classifier}.log",
    benchmark:
        "results/benchmarks/train_victim/{dataset}/seed-{seed}/{cell}/{defence}/{classifier}.tsv"
    wildcard_constraints:
        dataset=batches.alone(CONFIG, VICTIMS),
        cell=POISONED,
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("train_victim"),
        runtime=minutes("train_victim", times=victim_epochs),
        gpu=GPU,
        device=DEVICE,
    params:
        spec=victim_spec,
        cell=cell_extent,
        seed=seed_of("initialisation"),
        poison_seed=seed_of("poison"),
        threads=THREADS,
        precision=PRECISION,
        code=victim_code("train_victim"),
    script:
        "../scripts/train_victim.py"


# p = 0 is pure evasion: an attack's triggers, of every size, meet the unpoisoned detectors of its
# grids.
rule score_evasion:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
        trigger="results/{dataset}/seed-{seed}/attacks/{attack}/trigger.json",
        detectors=evaded_detectors,
    output:
        scores="results/{dataset}/seed-{seed}/attacks/{attack}/evasion.h5",
    log:
        "results/logs/score_evasion/{dataset}/seed-{seed}/{attack}.log",
    benchmark:
        "results/benchmarks/score_evasion/{dataset}/seed-{seed}/{attack}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("score_evasion"),
        runtime=minutes("score_evasion"),
        device="cpu",
    params:
        spec=lambda wildcards: specs.evasion_spec(*evasion_scope(wildcards)),
        threads=THREADS,
        # Not while the workflow is parsed: it goes through every part of the grids.
        code=evasion_code("score_evasion"),
    script:
        "../scripts/score_evasion.py"


# The same two with several seeds: a rule for each batch, since outputs cannot be functions.
for SEEDS in BATCHES:
    NAME = batches.batch_name(SEEDS)
    FOLDERS = [f"results/{{dataset}}/seed-{seed}" for seed in SEEDS]

    rule:
        name:
            f"train_unpoisoned_{NAME}"
        input:
            vectors=[f"{folder}/vectors.h5" for folder in FOLDERS],
            autoencoder=each_seed(SEEDS, autoencoder_files),
            row_choice=each_seed(SEEDS, row_choice_files),
        output:
            detector=[
                directory(f"{folder}/unpoisoned/{{defence}}/{{classifier}}/detector")
                for folder in FOLDERS
            ],
            scores=[
                f"{folder}/unpoisoned/{{defence}}/{{classifier}}/scores.h5"
                for folder in FOLDERS
            ],
            cost=[
                f"{folder}/unpoisoned/{{defence}}/{{classifier}}/cost.json"
                for folder in FOLDERS
            ],
        log:
            f"results/logs/train_unpoisoned/{{dataset}}/{NAME}/{{defence}}/{{classifier}}.log",
        benchmark:
            f"results/benchmarks/train_unpoisoned/{{dataset}}/{NAME}/{{defence}}/{{classifier}}.tsv"
        wildcard_constraints:
            dataset=batches.together(CONFIG, UNPOISONED_RUNS, SEEDS),
        conda:
            "../../envs/training.yaml"
        threads: THREADS
        resources:
            mem_mb=memory("train_unpoisoned"),
            runtime=minutes("train_unpoisoned", times=times_seeds(SEEDS, victim_epochs)),
            gpu=GPU,
            device=DEVICE,
        params:
            spec=victim_spec,
            seed=each_seed(SEEDS, seed_of("initialisation")),
            threads=THREADS,
            precision=PRECISION,
            code=victim_code("train_unpoisoned_seeds"),
        script:
            "../scripts/train_unpoisoned_seeds.py"

    rule:
        name:
            f"train_victim_{NAME}"
        input:
            vectors=[f"{folder}/vectors.h5" for folder in FOLDERS],
            poison=each_seed(SEEDS, poison_of),
            trigger=each_seed(SEEDS, trigger_of),
            autoencoder=each_seed(SEEDS, autoencoder_files),
            row_choice=each_seed(SEEDS, row_choice_files),
            unpoisoned=[
                f"{folder}/unpoisoned/{{defence}}/{{classifier}}/scores.h5"
                for folder in FOLDERS
            ],
        output:
            scores=[
                f"{folder}/{{cell}}/{{defence}}/{{classifier}}/scores.h5"
                for folder in FOLDERS
            ],
            cost=[
                f"{folder}/{{cell}}/{{defence}}/{{classifier}}/cost.json"
                for folder in FOLDERS
            ],
        log:
            f"results/logs/train_victim/{{dataset}}/{NAME}/{{cell}}/{{defence}}/{{classifier}}.log",
        benchmark:
            f"results/benchmarks/train_victim/{{dataset}}/{NAME}/{{cell}}/{{defence}}/{{classifier}}.tsv"
        wildcard_constraints:
            dataset=batches.together(CONFIG, VICTIMS, SEEDS),
            cell=POISONED,
        conda:
            "../../envs/training.yaml"
        threads: THREADS
        resources:
            mem_mb=memory("train_victim"),
            runtime=minutes("train_victim", times=times_seeds(SEEDS, victim_epochs)),
            gpu=GPU,
            device=DEVICE,
        params:
            spec=victim_spec,
            cell=cell_extent,
            seed=each_seed(SEEDS, seed_of("initialisation")),
            poison_seed=each_seed(SEEDS, seed_of("poison")),
            threads=THREADS,
            precision=PRECISION,
            code=victim_code("train_victim_seeds"),
        script:
            "../scripts/train_victim_seeds.py"
