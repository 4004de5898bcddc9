"""Stage of `gensim evaluate`: whether the grains of two domains are alike, and how far from it.

    crops files ─ channel ─► labels ─ pieces, growth, measure ─► values of each crop
        ─ groups, histograms, compare ─► table ─ report, figures ─► report.md, .json, pictures
    images ─ features ─► vectors ─ frechet ─► distances       labels ─ copies ─► nearest crop known

The *truth* is what should be met, the *other* what is judged. A *group* is what is independent of
the rest: a run, a sampled image, a block of a map. The *floor* of a distance is the one between two
halves of the truth. Only `features` needs torch.
"""
