"""Name servers of a rehearsal without their sockets: what one does (`behaviour`), and what it answers (`answering`)."""
