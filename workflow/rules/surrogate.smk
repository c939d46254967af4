# The attacker's own model of the clean training rows, and its SHAP explanation.


rule train_surrogate:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
    output:
        detector=directory("results/{dataset}/seed-{seed}/surrogate"),
    log:
        "results/logs/train_surrogate/{dataset}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/train_surrogate/{dataset}/seed-{seed}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("train_surrogate"),
        runtime=minutes("train_surrogate", times=surrogate_epochs),
        gpu=GPU,
        device=DEVICE,
    params:
        spec=surrogate_spec,
        threads=THREADS,
        precision=PRECISION,
        code=code("train_surrogate", classifiers=CONFIG["surrogate"]["classifier"]),
    script:
        "../scripts/train_surrogate.py"


rule explain_surrogate:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
        detector="results/{dataset}/seed-{seed}/surrogate",
    output:
        explanations="results/{dataset}/seed-{seed}/shap.h5",
    log:
        "results/logs/explain_surrogate/{dataset}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/explain_surrogate/{dataset}/seed-{seed}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("explain_surrogate"),
        runtime=minutes(
            "explain_surrogate",
            times=lambda wildcards: CONFIG["surrogate"]["shap_samples"]
            / MEASURED_SHAP_SAMPLES,
        ),
        gpu=GPU,
        device=DEVICE,
    params:
        spec={
            "background": CONFIG["surrogate"]["shap_background"],
            "samples": CONFIG["surrogate"]["shap_samples"],
        },
        threads=THREADS,
        precision=PRECISION,
        surrogate=part("classifiers", CONFIG["surrogate"]["classifier"]),
        code=code("explain_surrogate", classifiers=CONFIG["surrogate"]["classifier"]),
    script:
        "../scripts/explain_surrogate.py"
