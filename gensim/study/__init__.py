"""Stage of `gensim study`: which way to a model of measured grains is best, on held-out conditions.

    STUDY.toml ─ plan ─► cells ─ run ─► one JSON a cell ─ tables ─► report.md, study.json, pictures

    plan    the study's file: two domains, methods, seeds, settings
    cells   which trainings there are, and how the learning rate of a method is found
    run     trains, samples and judges cell by cell; what is done is not done again
    domains the crops of both domains, and what of the experiment teaches whom
    judge   samples against the crops of the same condition
    score   whether they follow the conditions
    reference  the rows that need no training: simulation, a neighbour's crops, another run
    tables  mean and spread over seeds, beside these rows
    figures errors and crops as pictures

The *simulation* teaches first; the *experiment* refines, validates and tests. A *cell* is one
training by one method: `baseline` knows the experiment alone, `finetune` and `distill` start from
what the simulation taught. All make equally many steps and search the same learning rates.
"""
