# SPDX-License-Identifier: MIT
"""The reference network and its files."""
