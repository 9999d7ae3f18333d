"""The REST API, through its addresses."""
