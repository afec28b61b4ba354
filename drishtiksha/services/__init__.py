"""The services that every surface uses: one object takes in evidence, runs jobs and keeps what is known of a case."""
