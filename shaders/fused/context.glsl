// SPDX-License-Identifier: MIT
// Keys and values of a prompt, which attention has behind those of the picture, in fragments of their own. They lie as
// fragments [K·⌈L/16⌉, 2·N·⌈D/16⌉], keys normed already, so that queries meet them with their own norm's weights alone.
// Attention has no picture: it reads what it needs to know from fields of one.
const uint PROMPT_KEYS = S(channels);
const uint PROMPT_FRAGMENTS = (PROMPT_KEYS + 15u) / 16u;
const uint KEY_FRAGMENTS = S(token_fragments) + PROMPT_FRAGMENTS;
const bool KEYS_END_WITHIN = (S(tokens) % 16u | PROMPT_KEYS % 16u) != 0u;  // a fragment

/// Whether a key is no padding, counted as they lie.
bool real_key(uint key) {
  const uint behind = S(token_fragments) * 16u;
  return key < behind ? key < S(tokens) : key - behind < PROMPT_KEYS;
}

/// First fragment of rows of the prompt that a row of the batch reads.
uint prompt_start(uint batch_row, uint step) {
  if (PROMPT_KEYS == 0u || S(height) == 1u) return 0u;
  return modulation_row[step * P.rows + batch_row] % S(height) * PROMPT_FRAGMENTS;
}
