# How real the simulated corpus is: it against real rows, before any attack or defence.
REALISM_PLOTS = ["marginals", "bytes", "embedding"]


rule realism:
    input:
        "results/realism/report.html",


rule simulate_for_realism:
    output:
        raw=[f"results/realism/release/{file}" for file in specs.SIMULATED_FILES],
        checksums=[
            f"results/realism/release/{file}.sha256" for file in specs.SIMULATED_FILES
        ],
        metadata="results/realism/release/metadata.csv",
    log:
        "results/logs/simulate_for_realism.log",
    benchmark:
        "results/benchmarks/simulate_for_realism.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=memory(
            "simulate_corpus", rows=lambda wildcards: CONFIG["realism"]["rows"]
        ),
        runtime=minutes(
            "simulate_corpus", rows=lambda wildcards: CONFIG["realism"]["rows"]
        ),
    params:
        spec=specs.simulation_spec(
            CONFIG,
            CONFIG["realism"]["simulated"],
            rows=CONFIG["realism"]["rows"],
            malware_share=0.5,
        ),
        code=code("simulate_corpus"),
    script:
        "../scripts/simulate_corpus.py"


rule compare_with_real_rows:
    input:
        simulated=rules.simulate_for_realism.output.raw,
        real=real_files,
        store=real_store,
    output:
        measures="results/realism/measures.csv",
        transfer="results/realism/transfer.csv",
        marginals="results/realism/marginals.csv",
        difficulty="results/realism/difficulty.csv",
        svg=expand("results/realism/{plot}.svg", plot=REALISM_PLOTS),
        png=expand("results/realism/{plot}.png", plot=REALISM_PLOTS),
        report="results/realism/report.html",
    log:
        "results/logs/compare_with_real_rows.log",
    benchmark:
        "results/benchmarks/compare_with_real_rows.tsv"
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("compare_with_real_rows"),
        runtime=minutes("compare_with_real_rows"),
        gpu=GPU,
        device=DEVICE,
    params:
        spec=specs.realism_spec(CONFIG),
        threads=THREADS,
        precision=PRECISION,
        code=code("compare_with_real_rows", classifiers=CONFIG["realism"]["classifier"]),
    script:
        "../scripts/compare_with_real_rows.py"
