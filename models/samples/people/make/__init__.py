"""How the drawn people were made: an offline tool, needed by nobody who only shows the pictures. See portrait.py."""
