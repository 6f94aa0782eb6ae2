"""The bundle for personal data in the European Union. The YAML files are the content; see docs/policies/gdpr.md."""
