"""Results in the formats of other programs: tables, subtitles, and lists for video editors."""
