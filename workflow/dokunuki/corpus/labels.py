"""The words that tables of people's own have for a label."""

from __future__ import annotations

_WORDS = {
    0: ("0", "0.0", "false", "goodware", "benign", "clean", "good"),
    1: ("1", "1.0", "true", "malware", "malicious", "mal", "bad"),
    -1: ("-1", "-1.0", "", "nan", "none", "null", "unknown", "unlabelled", "unlabeled"),
}

LABELS = {word: label for label, words in _WORDS.items() for word in words}
"""-1, 0 or 1 by word, in lower case and without blanks around it."""

LABEL_HELP = (
    "a label is 0, false, goodware or benign; 1, true, malware or malicious; -1 or empty for none"
)
