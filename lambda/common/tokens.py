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

# Of UTF-8 bytes: small letters, capitals, the space, all others.
_KINDS = bytes(97 if 97 <= byte <= 122 else 65 if 65 <= byte <= 90 else 32 if byte == 32 else 46 for byte in range(256))
_CAPITALISED = re.compile(rb"A[Aa]?a?")


def estimate_tokens(text: str) -> int:
    """An over-estimate of the tokens of `text`, special tokens included.

    A token for each piece of a word (`[A-Z][A-Za-z]?[a-z]?` or `[a-z]{1,3}`), each other byte, and each space that
    opens no word. Counted by replacing, as a pattern that finds them all takes nearly four times as long.
    """
    kinds = text.encode(errors="surrogatepass").translate(_KINDS)
    opening = kinds.count(b" a") + kinds.count(b" A")
    tokens = _CAPITALISED.sub(b".", kinds).replace(b"aaa", b".").replace(b"aa", b".").replace(b"a", b".")
    return SPECIAL_TOKENS + len(tokens) - opening


def most_tokens(text: str) -> int:
    """A bound that no text exceeds, special tokens included."""
    return SPECIAL_TOKENS + len(text.encode(errors="surrogatepass"))
