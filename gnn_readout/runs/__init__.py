"""What a run leaves on disk, how it stops and what it runs on; knows problems
(`tasks`) and all below them, and not how they are trained.
"""
