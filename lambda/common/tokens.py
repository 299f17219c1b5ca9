"""How many tokens a text has at most, without a tokenizer: the Lambda carries no third-party package.

Vocabularies of 32,000 to 150,000 entries hold common words whole and cut others into pieces of about three
letters (two in capitals), give digits and punctuation marks a token each, and fall back to bytes for scripts
they have seen little of. Counting like that stays above the true number for prose and code: 1.1 to 2.5 times
SmolLM2's own count. Strings that are no language at all (random letters, base64) can hold more tokens than
this counts, and so can long compounds.

What is certain is a token for each byte: the vocabularies that fall back to bytes have one for every byte, and
no token is empty. That is two to four times too much for prose.
"""

import re

SPECIAL_TOKENS = 2  # begin and end of sequence, which most tokenizers add by themselves

# On UTF-8 bytes: a piece of a word, a single other byte, and a space unless it opens the word after it.
_TOKEN = re.compile(rb"[A-Z][A-Za-z]?[a-z]?|[a-z]{1,3}|[^A-Za-z ]| (?![A-Za-z])")


def estimate_tokens(text: str) -> int:
    """An over-estimate of the tokens of `text`, special tokens included."""
    return SPECIAL_TOKENS + len(_TOKEN.findall(text.encode(errors="surrogatepass")))


def most_tokens(text: str) -> int:
    """A bound that no text exceeds, special tokens included."""
    return SPECIAL_TOKENS + len(text.encode(errors="surrogatepass"))
