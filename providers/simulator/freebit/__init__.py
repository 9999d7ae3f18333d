"""freebit PA05-41, eSIM account activation: the wire format of the document, at the paths that the field notes know."""
