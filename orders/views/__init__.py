"""The pages of the order side, one module for each workflow. Each view parses, calls one verb, renders."""
