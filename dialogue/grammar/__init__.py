"""What may be said: sentence files compiled into one automaton that finds every span in a single pass."""
