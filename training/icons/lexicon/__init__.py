# SPDX-License-Identifier: MIT
"""What training/lexicon.py makes models/lexicon.bin of."""
