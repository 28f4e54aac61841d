"""What a network costs and sees, read off its layers."""
