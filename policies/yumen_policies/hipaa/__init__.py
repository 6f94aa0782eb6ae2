"""The bundle for health information in the United States. The YAML files are the content; see docs/policies/hipaa.md."""
