"""The stages as jobs of the workflow, a module each: they take the files of those before them.

A feed stays in its file between stages. Where nothing can be told of it, the later stages have
nothing to say and fit nothing. Modules are apart so that an edit of a stage does not run those
before it again.
"""
