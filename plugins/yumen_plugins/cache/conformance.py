"""With what `yumen plugins check cache` tries it: docs/plugins/conformance.md."""

# Asked twice, so that the second is given what the first was answered.
EXAMPLES = [{"texts": ["What is Falcon?", "What is Falcon?", "猎鹰是什么？", "猎鹰是什么？"]}]
