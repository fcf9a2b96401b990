"""How rows are written down: the forms of an answer, and each column as SQL that a form can take.

Below the stages and below serving, because a released file and an answer must read alike.
"""
