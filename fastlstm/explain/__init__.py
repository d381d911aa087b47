"""Why a model said what it said: contributions of tokens, and how far to trust them."""

from fastlstm.core.methods import METHODS
from fastlstm.explain.dataset import ConfidentError, Word, confident_errors, moving_words
from fastlstm.explain.documents import PREDICTED
from fastlstm.explain.faithfulness import Faithfulness, faithfulness
from fastlstm.explain.html import explanation_page
from fastlstm.explain.records import Explanation

__all__ = [
    "METHODS",
    "PREDICTED",
    "ConfidentError",
    "Explanation",
    "Faithfulness",
    "Word",
    "confident_errors",
    "explanation_page",
    "faithfulness",
    "moving_words",
]
