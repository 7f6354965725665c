// SPDX-License-Identifier: MIT
// Where things lie. S(name) is a field of the stage at work that is fixed, P.name one that moves; see stage_fields.h.

/// Start of the table row that a row of the batch reads.
uint table_row(uint batch_row, uint step) {
  return modulation_row[step * P.rows + batch_row] * S(table_columns);
}

/// Values of a row of the batch of an image that a product makes.
uint image_elements() { return S(columns) / (S(patch_size) * S(patch_size)) * S(height) * S(image_width); }

uint icon_elements() { return S(channels) * S(height) * S(image_width); }

/// Where neighbouring features of a token lie in an icon, if windows do not overlap and rows are whole fours.
uint pixel_of(uint token, uint feature) {
  const uint patch_size = S(patch_size), area = patch_size * patch_size, across = S(image_width) / patch_size;
  const uint line = token / across * patch_size + feature % area / patch_size;
  const uint column = token % across * patch_size + feature % patch_size;
  return (feature / area * S(height) + line) * S(image_width) + column;
}

/// Column and line of the image where a feature of a token's window lies. Above or left of the image these wrap round,
/// and are then far beyond its size.
uvec2 window_pixel(uint token, uint feature) {
  const uint border = (S(window_size) - S(patch_size)) / 2u, across = S(image_width) / S(patch_size);
  const uint at = feature % (S(window_size) * S(window_size));
  const uvec2 patch_at = uvec2(token % across, token / across) * S(patch_size);
  return patch_at + uvec2(at % S(window_size), at / S(window_size)) - border;
}

/// Of a convolution: a channel of the picture whose channels come behind those of the map that is convolved.
float beside(uint batch_row, uint channel, uvec2 pixel) {
  const uint channels = S(width) / (S(window_size) * S(window_size)) - S(channels);
  const uint icon = batch_row % (S(guided) != 0u ? P.rows / 2u : P.rows);
  const uint line = (icon * channels + channel) * S(height) + pixel.y;
  return arena_floats[P.history * 4u + line * S(image_width) + pixel.x];
}

/// One value of a token's window of the image; 0 beyond its edges.
float window_value(uint icon, uint token, uint feature) {
  const uvec2 pixel = window_pixel(token, feature);
  if (feature >= S(width) || pixel.y >= S(height) || pixel.x >= S(image_width)) return 0.0;
  const uint area = S(window_size) * S(window_size), channel = feature / area;
  if (S(width) > S(channels) * area && channel >= S(channels)) return beside(icon, channel - S(channels), pixel);
  const uint line = (icon * S(channels) + channel) * S(height) + pixel.y;
  return arena_floats[P.image * 4u + line * S(image_width) + pixel.x];
}
