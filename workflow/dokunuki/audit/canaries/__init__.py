"""The sixth stage: known attacks, the canaries, are planted into copies of the feed.

The shares of them that the same audit proves, suspects and misses are its power on this feed.
Modules are split by what changes them: `planned` says which attacks, `ground` what rows a copy is
made of and what its attacker knows, `measuring` what becomes of one canary. Their constants stand
here and not in `settings`: an edit of those audits the feed itself anew.
"""
