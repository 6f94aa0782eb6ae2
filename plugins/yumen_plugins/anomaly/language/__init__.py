"""The language of `when:`: how it is read, and what evaluates it. Nothing here knows what a fact is about."""
