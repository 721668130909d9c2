"""HTTP, command line and storage around the models; no picture is computed here."""
