"""What does not go on by itself, or should have long ago: found in the rows, shown with its reason and its ways out, and got unstuck."""
