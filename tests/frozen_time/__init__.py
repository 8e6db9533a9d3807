"""What time it is, while a simulation shows its time."""
