"""The scripts that train: every setting in them is one, within its limits."""
import re
from pathlib import Path

import pytest

from gensim.train.plan import settings_of

pytestmark = pytest.mark.serial
ROOT = Path(__file__).parent.parent.parent
ARRAYS = {"jobs/weights/train.sh": 3, ".ci/learn_demo.sh": 1}


@pytest.mark.parametrize("script", ARRAYS)
def test_settings_of_a_script(script):
    text = (ROOT / script).read_text(encoding="utf-8")
    found = re.findall(r"^\w+=\((images=.*?|batch=.*?)\)", text, re.DOTALL | re.MULTILINE)
    assert len(found) == ARRAYS[script]
    for words in found:
        settings = settings_of(words.split())
        assert settings.images % settings.batch == 0 and settings.warmup < settings.images
