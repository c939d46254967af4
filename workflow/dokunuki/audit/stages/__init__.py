"""The stages as jobs of the workflow, a module each: they take the files of those before them.

A feed stays in its file between stages. Where a feed cannot be audited, the later stages find and
fit nothing. Each stage has its own module, so that an edit of one does not run those before it
again.
"""
