# The attackers' own models of the clean training rows that they know, and their SHAP explanations:
# one for each classifier and share of the rows, which all attacks with these use.


rule train_surrogate:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
    output:
        detector=directory(
            "results/{dataset}/seed-{seed}/surrogates/{surrogate}/detector"
        ),
    log:
        "results/logs/train_surrogate/{dataset}/seed-{seed}/{surrogate}.log",
    benchmark:
        "results/benchmarks/train_surrogate/{dataset}/seed-{seed}/{surrogate}.tsv"
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
        share=surrogate_share,
        seed=seed_of("poison"),
        threads=THREADS,
        precision=PRECISION,
        code=surrogate_code("train_surrogate"),
    script:
        "../scripts/train_surrogate.py"


rule explain_surrogate:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
        detector="results/{dataset}/seed-{seed}/surrogates/{surrogate}/detector",
    output:
        explanations="results/{dataset}/seed-{seed}/surrogates/{surrogate}/shap.h5",
    log:
        "results/logs/explain_surrogate/{dataset}/seed-{seed}/{surrogate}.log",
    benchmark:
        "results/benchmarks/explain_surrogate/{dataset}/seed-{seed}/{surrogate}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("explain_surrogate"),
        runtime=minutes(
            "explain_surrogate",
            times=lambda wildcards: specs.shap_share(CONFIG),
        ),
        gpu=GPU,
        device=DEVICE,
    params:
        spec={
            "background": CONFIG["surrogate"]["shap_background"],
            "samples": CONFIG["surrogate"]["shap_samples"],
        },
        explainer=CONFIG["surrogate"]["explainer"],
        share=surrogate_share,
        seed=seed_of("poison"),
        threads=THREADS,
        precision=PRECISION,
        surrogate=surrogate_spec,
        code=surrogate_code("explain_surrogate"),
    script:
        "../scripts/explain_surrogate.py"
