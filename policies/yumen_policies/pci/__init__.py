"""The bundle for payment card data under PCI DSS. The YAML files are the content; see docs/policies/pci.md."""
