"""What a run leaves on disk, how it stops, and what it runs on.

It imports `tasks` and what they import, and nothing of how they are trained.
"""
