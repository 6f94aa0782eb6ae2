"""The bundle that runs out of the box: every exchange is recorded, limited and masked. The YAML files are the content."""
