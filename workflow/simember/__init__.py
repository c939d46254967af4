"""A simulated corpus in the layout of the EMBER release, for machines without EMBER.

`generator` writes it. Rows are built top-down: `families` (habits of a vendor or malware family)
from `archetypes`, `program` (a code base: sections, imports, exports), `variant` (a file built
from it: a row), `content` (its bytes, from the kinds in `tables`). What is known of Windows
programs and of the two classes stands in `data`, one thing a file; `loading` reads and checks it.

Calibration: 736 real rows were grouped into near-duplicates (equal imports, section names and
linker), and the groups split in two halves by the first byte of the SHA-256 of what they share.
Shares of archetypes, medians of sizes and byte tables of .NET, Delphi, Visual Basic and GCC were
set by hand with a look at one half; the other was only scored. No real row is copied or perturbed,
and no result of an attack or a defence was looked at.
"""
