"""Jobs: a YAML file becomes typed values, and the stages that carry them out."""
