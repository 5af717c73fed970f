"""The loop, its schedules, its reports."""
