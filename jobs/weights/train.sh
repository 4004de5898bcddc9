#!/usr/bin/env bash
# Trains the models of this folder, one after the other, and copies each here when it is done:
#   bash jobs/weights/train.sh RUNS [NAME...]      without names: all four
# RUNS is a folder for the runs. A run that was stopped or killed goes on when this is started again.
# finetuned and distilled begin from the weights of pretrained that lie here.
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${1:?usage: bash jobs/weights/train.sh RUNS [NAME...]}
shift
names=("$@")
if [ $# = 0 ]; then names=(pretrained baseline finetuned distilled); fi

simulated=(jobs/data/simulation/case_*.h5)
experiment_like=(jobs/data/experiment_like/case_*.h5)
# processors with instructions for bfloat16 train faster with it, others many times slower
precision=$(grep -q -w -e avx512_bf16 -e amx_bf16 /proc/cpuinfo && echo bf16 || echo float32)
# kept as bfloat16, 14 MiB each
pretraining=(batch=16 images=80000 warmup=6400 learning_rate=4e-4)
# no case of that study validates: the second runs of two do
refinement=(batch=16 images=32000 warmup=3200 validate_every=2048 validation=2/2,6/2)
baseline=(batch=16 images=48000 warmup=4800 learning_rate=4e-4 validate_every=2048
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

for name in "${names[@]}"; do
    case $name in
    pretrained) train pretrained pretrain "${simulated[@]}" "${pretraining[@]/#/--set=}" ;;
    baseline) train baseline pretrain "${experiment_like[@]}" "${baseline[@]/#/--set=}" ;;
    finetuned) train finetuned finetune jobs/weights/pretrained "${experiment_like[@]}" \
        "${refinement[@]/#/--set=}" ;;
    distilled) train distilled distill jobs/weights/pretrained "${experiment_like[@]}" \
        "${refinement[@]/#/--set=}" ;;
    *) echo "train.sh: '$name' is none of: pretrained, baseline, finetuned, distilled" >&2; exit 2 ;;
    esac
done
