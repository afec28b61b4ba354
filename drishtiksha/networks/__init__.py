"""Network definitions: `nn.Module` only, no files and no configuration."""
