"""Nomad eSIMfx: the wire format of the API document v1.8 and of the live service where clients have recorded it."""
