"""The bundle for personal information in mainland China. The YAML files are the content; see docs/policies/pipl.md."""
