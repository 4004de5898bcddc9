#!/usr/bin/env bash
# Makes the four models of this folder and the report of the study that compares three of them:
#   bash jobs/weights/train.sh RUNS
# RUNS is a folder for the runs. A run that was stopped or killed goes on when this is started again.
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${1:?usage: bash jobs/weights/train.sh RUNS}
weights=jobs/weights

# processors with instructions for bfloat16 train faster with it, others many times slower
precision=$(grep -q -w -e avx512_bf16 -e amx_bf16 /proc/cpuinfo && echo bf16 || echo float32)
pretraining=(batch=16 images=80000 warmup=6400 learning_rate=4e-4 half=true
             licence=GPL-3.0-or-later "precision=$precision")

# keep RUN NAME: copies what belongs to a model here
keep() {
    local part
    mkdir -p "$weights/$2"
    for part in unet scheduler gensim.json README.md curve.csv curve.png; do
        rm -rf "${weights:?}/$2/$part"
        cp -r "$1/$part" "$weights/$2/$part"
    done
}

# the study begins with the weights that lie here
if [ ! -f $weights/pretrained/gensim.json ]; then
    if [ -f "$runs/pretrained/state.pt" ]; then
        .venv/bin/gensim resume "$runs/pretrained"
    else
        .venv/bin/gensim pretrain jobs/data/simulation/case_*.h5 "${pretraining[@]/#/--set=}" \
            --output "$runs/pretrained"
    fi
    keep "$runs/pretrained" pretrained
fi

.venv/bin/gensim study jobs/studies/learning.toml --output "$runs/study"
model() { # the folder of the first row of a method, first seed
    .venv/bin/python -c 'import json, sys
models = json.load(open(sys.argv[1]))["models"]
print(next(name for row, name in models.items() if row.startswith(sys.argv[2])))
' "$runs/study/study.json" "$1"
}
keep "$runs/study/$(model baseline)" baseline
keep "$runs/study/$(model finetune)" finetuned
keep "$runs/study/$(model distill)" distilled
mkdir -p $weights/study
cp "$runs"/study/{report.md,*.png,*.json} $weights/study/
