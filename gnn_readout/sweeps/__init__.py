"""Many runs in many processes: which are left, restarted when they die.

They import `training`, `cli` and what these import.
"""
