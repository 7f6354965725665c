# SPDX-License-Identifier: MIT
"""Icons and glyphs: packs on disk, captions, training batches made on the GPU."""
