#!/usr/bin/env bash
# Trains the four models of this folder, one after the other, and copies each here when it is done:
#   bash jobs/weights/train.sh RUNS
# RUNS is a folder for the runs. A run that was stopped or killed goes on when this is started again.
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${1:?usage: bash jobs/weights/train.sh RUNS}

simulated=(jobs/data/simulation/case_*.h5)
experiment_like=(jobs/data/experiment_like/case_*.h5)
# processors with instructions for bfloat16 train faster with it, others many times slower
precision=$(grep -q -w -e avx512_bf16 -e amx_bf16 /proc/cpuinfo && echo bf16 || echo float32)
# 12500 steps; kept as bfloat16, 14 MiB
pretraining=(batch=16 images=200000 warmup=8000 learning_rate=4e-4)
# no case of that study validates: the second runs of two do
refinement=(batch=16 images=60000 warmup=4000 validate_every=2048 validation=2/2,6/2)
baseline=(batch=16 images=100000 warmup=8000 learning_rate=4e-4 validate_every=2048
          validation=2/2,6/2)

# train NAME VERB WORDS... SETTINGS...: trains a model, or goes on with it, and copies it here.
train() {
    local name=$1 part
    shift
    if [ -f "$runs/$name/state.pt" ]; then
        .venv/bin/gensim resume "$runs/$name"
    else
        .venv/bin/gensim "$@" "--set=precision=$precision" --set=half=true \
            --set=licence=GPL-3.0-or-later --output "$runs/$name"
    fi
    mkdir -p "jobs/weights/$name"
    for part in unet scheduler gensim.json README.md curve.csv curve.png; do
        rm -rf "jobs/weights/$name/$part"
        cp -r "$runs/$name/$part" "jobs/weights/$name/$part"
    done
}

train pretrained pretrain "${simulated[@]}" "${pretraining[@]/#/--set=}"
train baseline pretrain "${experiment_like[@]}" "${baseline[@]/#/--set=}"
train finetuned finetune "$runs/pretrained" "${experiment_like[@]}" "${refinement[@]/#/--set=}"
train distilled distill "$runs/pretrained" "${experiment_like[@]}" "${refinement[@]/#/--set=}"
