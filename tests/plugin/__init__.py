"""What a project sees that has timeskip installed: its tests are run in a pytest of their own."""
