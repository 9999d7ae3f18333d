"""What the mobile app asks of the order side."""
