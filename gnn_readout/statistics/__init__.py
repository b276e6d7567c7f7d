"""Tests and intervals on plain arrays; they import `metrics` alone."""
