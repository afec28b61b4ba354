"""FACE-BLEND-LITE-V1: trained on self-blended images (Shiohara & Yamasaki, CVPR 2022, arXiv:2204.08376).

`python -m training.face_blend --data <folder with portraits/> --out models` does all of it.
"""
