"""How the embedded weights were made. The app never imports this package."""
