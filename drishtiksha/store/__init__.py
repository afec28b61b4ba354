"""What outlives a process: cases, jobs with their chunks, results and reviews, in any database that SQLAlchemy speaks to."""
