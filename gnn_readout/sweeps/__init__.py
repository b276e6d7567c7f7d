"""Many runs in many processes: which, in what order, restarted when they die; it
imports `training` and all below.
"""
