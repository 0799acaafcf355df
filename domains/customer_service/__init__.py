"""Customer service of a fictional digital bank: a chat that quotes its help articles.

`service.stream` follows one message from the rules that hand over to a person, through
intent and retrieval, to sentences that are shown only once a passage supports them.
"""
