"""Fetching published files once: where they are, how they are checked, where they are kept."""
