"""How FACE-SYNTH-LITE-V1 was made: portraits against their own reconstructions by small autoencoders trained here."""
