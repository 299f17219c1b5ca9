"""The warning before an idle off: the alarm that is about to be one starts it, and it writes the mail."""
