"""Optimisers as (init, update) pairs, clipping and learning-rate schedules."""
