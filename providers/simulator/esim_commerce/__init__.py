"""eSIM Commerce, production and sandbox: the wire format of the two documents, at our labelled default paths."""
