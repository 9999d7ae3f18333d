"""The root of the REST API: its addresses, the shape of its errors, who is who, how often, and its schema."""
