# Raw rows of a release -> index -> sample per seed -> feature vectors.


rule simulate_corpus:
    output:
        raw=[f"results/{{dataset}}/release/{file}" for file in specs.SIMULATED_FILES],
        checksums=[
            f"results/{{dataset}}/release/{file}.sha256"
            for file in specs.SIMULATED_FILES
        ],
        metadata="results/{dataset}/release/metadata.csv",
    log:
        "results/logs/simulate_corpus/{dataset}.log",
    benchmark:
        "results/benchmarks/simulate_corpus/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=memory("simulate_corpus", rows=corpus_rows),
        runtime=minutes("simulate_corpus", rows=corpus_rows),
    params:
        spec=lambda wildcards: specs.simulation_spec(CONFIG, wildcards.dataset),
        code=code("simulate_corpus"),
    script:
        "../scripts/simulate_corpus.py"


rule extract_programs:
    output:
        files=[
            f"results/{{dataset}}/programs/{file}" for file in programs.EXTRACTED_FILES
        ],
        checksum=f"results/{{dataset}}/programs/{programs.EXTRACTED_FILES[0]}.sha256",
    log:
        "results/logs/extract_programs/{dataset}.log",
    benchmark:
        "results/benchmarks/extract_programs/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 4
    resources:
        mem_mb=memory("extract_programs", rows=corpus_rows),
        runtime=minutes("extract_programs", rows=corpus_rows),
    params:
        spec=lambda wildcards: programs.extraction_spec(CONFIG, wildcards.dataset),
        code=code("extract_programs"),
    script:
        "../scripts/extract_programs.py"


# Only of what can be read from its start alone: all later jobs read the store in its place.
rule unpack_release:
    input:
        raw=release_of,
    output:
        rows="results/{dataset}/rows.h5",
    log:
        "results/logs/unpack_release/{dataset}.log",
    benchmark:
        "results/benchmarks/unpack_release/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory("unpack_release", rows=corpus_rows),
        runtime=minutes("unpack_release", rows=corpus_rows),
    params:
        spec=lambda wildcards: specs.unpacking_spec(CONFIG, wildcards.dataset),
        code=code("unpack_release"),
    script:
        "../scripts/unpack_release.py"


rule index_corpus:
    input:
        raw=raw_files,
        store=store_of,
    output:
        index="results/{dataset}/index.h5",
        report="results/{dataset}/corpus.json",
    log:
        "results/logs/index_corpus/{dataset}.log",
    benchmark:
        "results/benchmarks/index_corpus/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: scan_threads
    resources:
        mem_mb=memory("index_corpus", rows=corpus_rows, workers=scan_workers),
        runtime=minutes("index_corpus", rows=corpus_rows),
    params:
        spec=lambda wildcards: specs.corpus_spec(CONFIG, wildcards.dataset),
        code=code("index_corpus"),
    script:
        "../scripts/index_corpus.py"


rule draw_sample:
    input:
        index="results/{dataset}/index.h5",
    output:
        split="results/{dataset}/seed-{seed}/split.csv",
        checksum="results/{dataset}/seed-{seed}/split.csv.sha256",
    log:
        "results/logs/draw_sample/{dataset}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/draw_sample/{dataset}/seed-{seed}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory("draw_sample", rows=corpus_rows),
        runtime=minutes("draw_sample", rows=corpus_rows),
    params:
        spec=lambda wildcards: samples.sample_spec(CONFIG, wildcards.dataset),
        seed=seed_of("sample"),
        code=code("draw_sample"),
    script:
        "../scripts/draw_sample.py"


rule vectorise_rows:
    input:
        raw=raw_files,
        store=store_of,
        index="results/{dataset}/index.h5",
        split="results/{dataset}/seed-{seed}/split.csv",
    output:
        vectors="results/{dataset}/seed-{seed}/vectors.h5",
    log:
        "results/logs/vectorise_rows/{dataset}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/vectorise_rows/{dataset}/seed-{seed}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory("vectorise_rows"),
        runtime=minutes("vectorise_rows"),
    params:
        spec=lambda wildcards: specs.vectors_spec(CONFIG, wildcards.dataset),
        code=code("vectorise_rows"),
    script:
        "../scripts/vectorise_rows.py"


rule export_rows:
    input:
        raw=raw_files,
        store=store_of,
        index="results/{dataset}/index.h5",
    output:
        rows="results/{dataset}/rows.parquet",
    log:
        "results/logs/export_rows/{dataset}.log",
    benchmark:
        "results/benchmarks/export_rows/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory("export_rows", rows=corpus_rows),
        runtime=minutes("export_rows", rows=corpus_rows),
    params:
        spec=lambda wildcards: specs.vectors_spec(CONFIG, wildcards.dataset),
        code=code("export_rows"),
    script:
        "../scripts/export_rows.py"


rule fetch_release:
    output:
        archive="results/releases/{release}.tar.bz2",
    log:
        "results/logs/fetch_release/{release}.log",
    benchmark:
        "results/benchmarks/fetch_release/{release}.tsv"
    # Nodes of a cluster may have no way out.
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=memory("fetch_release"),
        runtime=minutes("fetch_release"),
    params:
        code=code("fetch_release"),
    script:
        "../scripts/fetch_release.py"
