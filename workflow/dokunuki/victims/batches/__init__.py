"""Runs that one job trains one after another: the same run with several seeds.

Each is trained as in a job of its own, from files to files, and gives the same bytes. What the job
loads for the first (torch, most of a short job) serves the others. A training that diverges is a
result as any other. Any other error ends the job.

There is a module for each kind of job, so that none depends on what only another one reads.
"""
