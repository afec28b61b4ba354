"""VOICE-SPOOF-LITE-V1: people's speech against copies of the same recordings and against whole synthesis.

`python -m training.voice_spoof --data <folder with speech/> --out models` does all of it.
"""
