"""Dead letters: messages that the queue gave up."""
