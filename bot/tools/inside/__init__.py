"""What runs inside a cell, a child process with walls: started by path, with nothing of ours to import."""
