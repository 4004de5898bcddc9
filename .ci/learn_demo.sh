#!/usr/bin/env bash
# Every step of learning, in minutes on two cores: 200 steps each of pre-training (stopped and
# resumed), fine-tuning and distillation, then 16 samples of each model and condition.
#
# It starts from the weights in jobs/weights/pretrained where they are, from random ones otherwise.
# The crops are those of two cases, the second domain the same as a scan would show them: all of it
# shows the mechanics, the models that count are made by jobs/weights/train.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

out=learn-demo.out
weights=jobs/weights/pretrained
crops=(jobs/data/simulation/case_04.h5 jobs/data/simulation/case_11.h5)
# the second run of both cases validates
settings=(images=1600 batch=8 warmup=160 validate_every=800 validation_images=32
          validation=4/2,11/2)
settings=("${settings[@]/#/--set=}")
conditions=("150 W, 0.5 m/s" "155 W, 0.525 m/s" "160 W, 0.55 m/s")

say() { printf '\nlearn-demo, %3d s: %s\n' "$SECONDS" "$*"; }
gensim() { .venv/bin/gensim "$@"; }

base=()
if [ -f "$weights/gensim.json" ]; then
    say "from the weights in $weights"
    base=(--base "$weights")
else
    say "no weights in $weights: 200 steps from random ones, of which the samples are noise"
    weights=$out/pretrain
fi

say "the crops as a scan shows them"
mkdir -p $out
gensim ebsd "${crops[@]}" --output $out/scanned.h5

say "pre-training, stopped half way"
gensim pretrain "${base[@]}" "${crops[@]}" --output $out/pretrain "${settings[@]}" --overwrite \
    --stop 800 ||
    [ $? = 3 ] # what a run that was stopped ends with
say "resumed"
gensim resume $out/pretrain

for verb in finetune distill; do
    say "$verb $weights on the scanned crops"
    gensim $verb "$weights" $out/scanned.h5 --output $out/$verb --overwrite "${settings[@]}"
done

for model in pretrain finetune distill; do
    say "16 samples of $model for each condition"
    gensim sample $out/$model "${conditions[@]/#/--condition=}" --output $out/$model/samples
done
say "done; curves and sheets: $out/*/curve.png $out/*/samples/sheet.png"
