"""What we look for: prompt sets, their loader, and scoring in numpy."""
