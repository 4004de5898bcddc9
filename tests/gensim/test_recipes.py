"""The scripts and the study that train: every setting in them is one, within its limits."""
import re
from pathlib import Path

import pytest

from gensim.study.plan import load
from gensim.train.plan import Settings, settings_of

pytestmark = pytest.mark.serial
ROOT = Path(__file__).parent.parent.parent
ARRAYS = {"jobs/weights/train.sh": 1, ".ci/learn_demo.sh": 1}


@pytest.mark.parametrize("script", ARRAYS)
def test_settings_of_a_script(script):
    text = (ROOT / script).read_text(encoding="utf-8")
    found = re.findall(r"^\w+=\((images=.*?|batch=.*?)\)", text, re.DOTALL | re.MULTILINE)
    assert len(found) == ARRAYS[script]
    for words in found:
        settings = settings_of([word for word in words.split() if "$" not in word])
        assert settings.images % settings.batch == 0 and settings.warmup < settings.images


def test_settings_of_the_study():
    plan = load(ROOT / "jobs/studies/learning.toml")
    settings = Settings(**plan.settings)
    for images in (plan.images, plan.long_baseline):
        assert images % settings.batch == 0
    assert settings.warmup < plan.images and settings.half and settings.licence
