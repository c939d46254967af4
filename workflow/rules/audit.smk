# Whether the labelled rows of a dataset hold a backdoor, and what is left when it is out. The rows
# are audited as they come: nothing is drawn of them, and nobody says which of them are poisoned.
AUDIT = CONFIG["audit"]
# Which feed, as a part of paths; no rule is asked for where there is none.
FEED = AUDIT["feed"] or "no-feed"
STAGES = f"results/{FEED}/audit"
# Beside these comes model_card.md, where there is a detector at all.
ANSWER = [
    "report.html",
    "verdict.json",
    "suspects.csv",
    "triggers.json",
    "feed_checks.csv",
]

# Trees are the same whatever the number of threads, so that they take all cores that there are.
TREES_THREADS = 16
AUDIT_THREADS = THREADS if AUDIT["detector"] == "embernn" else TREES_THREADS
if AUDIT["feed"]:
    # Threads of trees wait for each other without turning in circles: on a machine with other work
    # they would take thirty times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

AUDIT_GPU = GPU if AUDIT["detector"] == "embernn" else 0

# Backdoors of the audit's own, each a job: as many at a time as there are cores, since most of an
# audit's stages take one.
CANARIES = planned.planned_canaries(AUDIT["canaries"])
CANARY_THREADS = THREADS if AUDIT["detector"] == "embernn" else 1


rule audit:
    input:
        audit_answer,
        audit_file("clean_feed.parquet"),
        audit_file("detector"),


rule read_feed:
    input:
        raw=raw_files,
        store=store_of,
        index="results/{dataset}/index.h5",
    output:
        rows="results/{dataset}/audit/rows.csv",
        checksum="results/{dataset}/audit/rows.csv.sha256",
        vectors="results/{dataset}/audit/vectors.h5",
    log:
        "results/logs/read_feed/{dataset}.log",
    benchmark:
        "results/benchmarks/read_feed/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory("read_feed", rows=corpus_rows),
        runtime=minutes("read_feed", rows=corpus_rows),
    params:
        spec=lambda wildcards: specs.vectors_spec(CONFIG, wildcards.dataset),
        code=code("read_feed"),
    script:
        "../scripts/read_feed.py"


rule check_feed:
    input:
        vectors="results/{dataset}/audit/vectors.h5",
    output:
        checks="results/{dataset}/audit/checks.h5",
    log:
        "results/logs/check_feed/{dataset}.log",
    benchmark:
        "results/benchmarks/check_feed/{dataset}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory("check_feed", rows=corpus_rows),
        runtime=minutes("check_feed", rows=corpus_rows),
    params:
        code=audit_code("check_feed"),
    script:
        "../scripts/check_feed.py"


rule fit_as_is:
    input:
        vectors="results/{dataset}/audit/vectors.h5",
        checks="results/{dataset}/audit/checks.h5",
    output:
        fit="results/{dataset}/audit/fit.h5",
        detectors=directory("results/{dataset}/audit/detectors"),
    log:
        "results/logs/fit_as_is/{dataset}.log",
    benchmark:
        "results/benchmarks/fit_as_is/{dataset}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: AUDIT_THREADS
    resources:
        mem_mb=memory("fit_as_is", rows=corpus_rows),
        runtime=minutes("fit_as_is", rows=corpus_rows),
        gpu=AUDIT_GPU,
        device=DEVICE,
    params:
        spec=specs.audit_spec(CONFIG),
        code=audit_code("fit_as_is", classifiers=AUDIT["detector"]),
    script:
        "../scripts/fit_as_is.py"


rule find_suspects:
    input:
        vectors="results/{dataset}/audit/vectors.h5",
        checks="results/{dataset}/audit/checks.h5",
        fit="results/{dataset}/audit/fit.h5",
        detectors="results/{dataset}/audit/detectors",
    output:
        suspects="results/{dataset}/audit/suspects.h5",
    log:
        "results/logs/find_suspects/{dataset}.log",
    benchmark:
        "results/benchmarks/find_suspects/{dataset}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: AUDIT_THREADS
    resources:
        mem_mb=memory("find_suspects", rows=corpus_rows),
        runtime=minutes("find_suspects", rows=corpus_rows),
        gpu=AUDIT_GPU,
        device=DEVICE,
    params:
        spec=specs.audit_spec(CONFIG),
        code=audit_code("find_suspects", classifiers=AUDIT["detector"]),
    script:
        "../scripts/find_suspects.py"


rule invert_triggers:
    input:
        vectors="results/{dataset}/audit/vectors.h5",
        checks="results/{dataset}/audit/checks.h5",
        suspects="results/{dataset}/audit/suspects.h5",
    output:
        candidates="results/{dataset}/audit/candidates.h5",
    log:
        "results/logs/invert_triggers/{dataset}.log",
    benchmark:
        "results/benchmarks/invert_triggers/{dataset}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory("invert_triggers", rows=corpus_rows),
        runtime=minutes("invert_triggers", rows=corpus_rows),
    params:
        seed=AUDIT["seed"],
        code=audit_code("invert_triggers"),
    script:
        "../scripts/invert_triggers.py"


rule prove_triggers:
    input:
        vectors="results/{dataset}/audit/vectors.h5",
        checks="results/{dataset}/audit/checks.h5",
        fit="results/{dataset}/audit/fit.h5",
        detectors="results/{dataset}/audit/detectors",
        candidates="results/{dataset}/audit/candidates.h5",
    output:
        findings="results/{dataset}/audit/findings.h5",
    log:
        "results/logs/prove_triggers/{dataset}.log",
    benchmark:
        "results/benchmarks/prove_triggers/{dataset}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: AUDIT_THREADS
    resources:
        mem_mb=memory("prove_triggers", rows=corpus_rows),
        runtime=minutes("prove_triggers", rows=corpus_rows),
        gpu=AUDIT_GPU,
        device=DEVICE,
    params:
        spec=specs.audit_spec(CONFIG),
        code=audit_code("prove_triggers", classifiers=AUDIT["detector"]),
    script:
        "../scripts/prove_triggers.py"


rule purify:
    input:
        vectors=f"{STAGES}/vectors.h5",
        rows=f"{STAGES}/rows.csv",
        checks=f"{STAGES}/checks.h5",
        fit=f"{STAGES}/fit.h5",
        detectors=f"{STAGES}/detectors",
        suspects=f"{STAGES}/suspects.h5",
        findings=f"{STAGES}/findings.h5",
    output:
        # Beside the detector's folder comes detector.onnx, where there is a detector at all.
        result=f"{STAGES}/result.h5",
        repair=f"{STAGES}/repair.h5",
        feed=audit_file("clean_feed.parquet"),
        detector=directory(audit_file("detector")),
    log:
        "results/logs/purify.log",
    benchmark:
        "results/benchmarks/purify.tsv"
    conda:
        "../../envs/training.yaml"
    threads: AUDIT_THREADS
    resources:
        mem_mb=memory("purify", rows=feed_rows),
        runtime=minutes("purify", rows=feed_rows),
        gpu=AUDIT_GPU,
        device=DEVICE,
    params:
        spec=specs.audit_spec(CONFIG),
        code=audit_code("purify", classifiers=AUDIT["detector"]),
    script:
        "../scripts/purify.py"


# What canaries share: the rows of the copies, and what their attacker knows of them.
rule prepare_canaries:
    input:
        vectors="results/{dataset}/audit/vectors.h5",
        checks="results/{dataset}/audit/checks.h5",
        fit="results/{dataset}/audit/fit.h5",
        findings="results/{dataset}/audit/findings.h5",
    output:
        ground="results/{dataset}/audit/canaries/ground.h5",
        explanations="results/{dataset}/audit/canaries/shap.h5",
        surrogate=directory("results/{dataset}/audit/canaries/surrogate"),
        unpoisoned=directory("results/{dataset}/audit/canaries/unpoisoned"),
    log:
        "results/logs/prepare_canaries/{dataset}.log",
    benchmark:
        "results/benchmarks/prepare_canaries/{dataset}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: THREADS
    resources:
        mem_mb=memory("prepare_canaries", rows=corpus_rows),
        runtime=minutes("prepare_canaries", rows=corpus_rows),
        gpu=GPU,
        device=DEVICE,
    params:
        # The surrogate is a network in any case, and depends on its threads.
        spec=specs.audit_spec(CONFIG) | {"threads": THREADS},
        code=audit_code("prepare_canaries", classifiers=["embernn", AUDIT["detector"]]),
    script:
        "../scripts/prepare_canaries.py"


rule plant_canary:
    input:
        vectors="results/{dataset}/audit/vectors.h5",
        ground="results/{dataset}/audit/canaries/ground.h5",
        explanations="results/{dataset}/audit/canaries/shap.h5",
        surrogate="results/{dataset}/audit/canaries/surrogate",
        unpoisoned="results/{dataset}/audit/canaries/unpoisoned",
    output:
        canary="results/{dataset}/audit/canaries/{canary}.h5",
    log:
        "results/logs/plant_canary/{dataset}/{canary}.log",
    benchmark:
        "results/benchmarks/plant_canary/{dataset}/{canary}.tsv"
    wildcard_constraints:
        canary="|".join(CANARIES) or "none",
    conda:
        "../../envs/training.yaml"
    threads: CANARY_THREADS
    resources:
        mem_mb=memory("plant_canary", rows=corpus_rows),
        runtime=minutes("plant_canary", rows=corpus_rows),
        gpu=AUDIT_GPU,
        device=DEVICE if AUDIT_GPU else "cpu",
    params:
        spec=specs.audit_spec(CONFIG),
        canary=canary_spec,
        code=canary_code("plant_canary"),
    script:
        "../scripts/plant_canary.py"


rule write_audit:
    input:
        vectors=f"{STAGES}/vectors.h5",
        rows=f"{STAGES}/rows.csv",
        scan=f"results/{FEED}/corpus.json",
        result=f"{STAGES}/result.h5",
        repair=f"{STAGES}/repair.h5",
        canaries=[f"{STAGES}/canaries/{canary}.h5" for canary in CANARIES],
    output:
        [audit_file(name) for name in ANSWER],
    log:
        "results/logs/write_audit.log",
    benchmark:
        "results/benchmarks/write_audit.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory("write_audit", rows=feed_rows),
        runtime=minutes("write_audit", rows=feed_rows),
    params:
        title=lambda wildcards: CONFIG["datasets"][FEED]["title"] or FEED,
        code=audit_code("write_audit"),
    script:
        "../scripts/write_audit.py"


# A feed to try the audit on: training rows as an attack leaves them, as a table of own rows.
rule write_poisoned_feed:
    input:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
        poison=poison_of,
    output:
        feed="results/{dataset}/seed-{seed}/{cell}/feed.parquet",
    log:
        "results/logs/write_poisoned_feed/{dataset}/seed-{seed}/{cell}.log",
    benchmark:
        "results/benchmarks/write_poisoned_feed/{dataset}/seed-{seed}/{cell}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory("write_poisoned_feed"),
        runtime=minutes("write_poisoned_feed"),
    params:
        cell=cell_extent,
        code=code("write_poisoned_feed"),
    script:
        "../scripts/write_poisoned_feed.py"
